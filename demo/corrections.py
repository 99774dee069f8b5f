"""What is corrected after the rides: a dispute that is upheld, one that nobody answers, and a refund by an operator."""

import concurrent.futures as futures
from dataclasses import dataclass
from typing import Any, Final

from web3 import Web3

from demo.errors import DemoError
from demo.world import TEST_PASSWORD, World, gate_command, issuer_command, run_json
from interline.batch import Batch
from interline.keystores import save_keystore
from network.accounts import Role, test_private_key
from network.local_city import LIGHT_SCRYPT

TEN_DAYS: Final = 10 * 86_400


@dataclass(frozen=True, slots=True)
class Correction:
    """What became of a ride, and how much (fen) went from which city to which."""

    what: str
    payer: int
    payee: int
    amount: int


def correct(world: World, web3: Web3, issuer: int, batch: Batch) -> list[Correction]:
    """Three rides of one issuer in a settled batch, with the commands of both sides; then time goes on by ten days.

    Raises DemoError where a command says anything else than planned.
    """
    operator, batch_id = batch.operator, "0x" + batch.id.hex()
    upheld, unanswered, refunded = _three(batch, issuer)
    for code in (issuer, operator):
        key = test_private_key(world.account_index(code, Role.TREASURY))
        save_keystore(world.folder(code) / "treasury.json", key, TEST_PASSWORD, scrypt_n=LIGHT_SCRYPT)
    treasury = ("--keystore", str(world.folder(issuer) / "treasury.json"))

    def dispute(index: int) -> None:
        command = issuer_command(world.folder(issuer), "dispute", batch_id, str(index), *treasury, "--json")
        _expect("disputed", run_json(command)["disputes"])

    dispute(upheld)
    [answer] = run_json(gate_command(world.folder(operator), "answer", "--json"))["disputes"]
    _expect("upheld", [answer])
    refund = gate_command(
        world.folder(operator), "refund", batch_id, str(refunded), "all", "--json", "--keystore",
        str(world.folder(operator) / "treasury.json"),
    )  # fmt: skip
    with futures.ThreadPoolExecutor(1) as beside:
        given = beside.submit(run_json, refund)
        dispute(unanswered)
        given_back = given.result()["amount"]
    web3.provider.make_request("evm_increaseTime", [TEN_DAYS + 1])  # type: ignore[arg-type]
    web3.provider.make_request("anvil_mine", ["0x1"])  # type: ignore[arg-type]
    claims = run_json(issuer_command(world.folder(issuer), "claim", *treasury, "--json"))["claims"]
    _expect("claimed", claims)
    return [
        Correction(
            "dispute answered with the codes in the journal, and upheld: the fee", issuer, operator, answer["fee"]
        ),
        Correction("dispute that nobody answered: the fare", operator, issuer, claims[0]["amount"]),
        Correction("refund by the operator", operator, issuer, given_back),
    ]


def _three(batch: Batch, issuer: int) -> tuple[int, int, int]:
    found = [index for index, city, _, _ in batch.iter_rides() if city == issuer]
    if len(found) < 3:
        raise DemoError(f"expected a batch with three rides of {issuer}, came one with {len(found)}")
    return found[0], found[1], found[2]


def _expect(state: str, documents: list[dict[str, Any]]) -> None:
    if [one["state"] for one in documents] != [state]:
        raise DemoError(f"expected one ride that is {state}, came {documents}")
