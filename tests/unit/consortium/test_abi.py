"""The ABIs that clients without a compiler use are those of the contracts."""

import pytest

from consortium.abi import FOLDER, compiled_abis
from interline.contracts import CONTRACTS


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_committed_abi_is_what_the_compiler_gives(contract: str) -> None:
    committed = (FOLDER / f"{contract}.json").read_text(encoding="utf-8")
    assert committed == compiled_abis()[contract], "run `make abi`"
