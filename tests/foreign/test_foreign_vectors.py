"""The foreign client agrees with the protocol's examples, and would say so if it didn't."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.foreign.conftest import run_client
from tests.support.deploy import REPOSITORY

VECTORS = REPOSITORY / "tests" / "vectors" / "v1.json"

pytestmark = pytest.mark.foreign


def test_the_foreign_client_recomputes_every_example_to_the_byte() -> None:
    status, report = run_client("vectors", str(VECTORS))
    assert report["disagreements"] == []
    assert status == 0
    assert report["checks"] > 90


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (["domainSeparator"], "domainSeparator"),
        (["issuerKeys", 4, "address"], "batch.rides[3] issuer signature"),
        (["codes", 0, "ticket", "rider"], "codes[0].ticket.rider"),
        (["codes", 0, "ticketBytes"], "codes[0].issuer signature"),
        (["codes", 1, "ticketHash"], "codes[1].ticketHash"),
        (["codes", 2, "code"], "codes[2].rider signature"),
        (["codes", 3, "qr"], "codes[3].qr"),
        (["batch", "batch"], "batch.batchId"),
        (["batch", "signature"], "batch.signature"),
    ],
)
def test_an_example_that_differs_in_one_character_is_named(path: list[Any], named: str, tmp_path: Path) -> None:
    vectors = json.loads(VECTORS.read_text())
    *outer, last = path
    holder = vectors
    for key in outer:
        holder = holder[key]
    holder[last] = holder[last][:-1] + ("1" if holder[last][-1] != "1" else "2")
    altered = tmp_path / "altered.json"
    altered.write_text(json.dumps(vectors))

    status, report = run_client("vectors", str(altered))

    assert status == 1
    assert named in [disagreement["name"] for disagreement in report["disagreements"]]
