"""A statement made again, here or in another process, is the same byte for byte, in every form."""

import hashlib
import os
import subprocess
import sys

import pytest

from ledger.statement.beancount_form import beancount
from ledger.statement.camt053 import camt053
from ledger.statement.model import Basis
from ledger.statement.xlsx import xlsx
from tests.support.patience import PATIENCE
from tests.support.statements import statement_of

FORMS = {"xlsx": xlsx, "camt053": camt053, "beancount": beancount}
CASES = [(form, basis) for form in FORMS for basis in Basis if (form, basis) != ("camt053", Basis.ACCRUAL)]
ALL = """
from tests.unit.ledger.test_forms_made_again import CASES, digest
print(*(digest(*case) for case in CASES))
"""


def digest(form: str, basis: Basis) -> str:
    return hashlib.sha256(FORMS[form](statement_of(basis))).hexdigest()


@pytest.mark.parametrize(("form", "basis"), CASES)
def test_made_twice_it_is_the_same(form: str, basis: Basis) -> None:
    assert digest(form, basis) == digest(form, basis)


@pytest.mark.parametrize(("seed", "zone"), [("1", "UTC"), ("2", "America/New_York")])
def test_made_in_another_process_in_another_place_it_is_the_same(seed: str, zone: str) -> None:
    """Another order of sets, another time zone of the machine."""
    environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", ALL], env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [digest(*case) for case in CASES]
