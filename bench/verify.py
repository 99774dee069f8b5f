"""One offline verification, from the 184 bytes to the decision, against the two signature checks themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys.backends.native.main import NativeECCBackend
from eth_keys.datatypes import Signature

from bench.phones import NOW, TRUST, phones
from bench.results import machine, machine_line, table, verdict
from bench.signatures import ECDSA, Prepared, load_point, prepare, recover, two_signatures
from bench.timing import in_turns, median, percentile, ratios
from gate_client.tap import Direction
from gate_client.verifier import Decision, Verifier
from interline.code import Code, bytes_from_text
from interline.hashing import keccak256
from interline.signatures import recover_address

TARGET: Final = 1.5
"""Times the two signature checks, at most."""
DAY: Final = 86_400
CODES: Final = 200
PACKAGES: Final = ("coincurve", "cryptography", "safe-pysha3", "base45", "eth-account", "eth-keys")
WHOLE: Final = "verification: 184 bytes to the decision"
SIGNATURES: Final = "the two signature checks"
RECOVER: Final = "secp256k1: recover (coincurve)"
LOAD: Final = "P-256: load the point (OpenSSL)"
VERIFY: Final = "P-256: verify (OpenSSL)"
_TYPES: Final = {
    "Ticket": [
        {"name": "issuer", "type": "uint16"},
        {"name": "keyId", "type": "uint8"},
        {"name": "operator", "type": "uint16"},
        {"name": "serial", "type": "uint40"},
        {"name": "notAfter", "type": "uint32"},
        {"name": "fareCap", "type": "uint32"},
        {"name": "rider", "type": "bytes20"},
    ]
}


def measure(*, quick: bool = False) -> dict[str, Any]:
    """All figures, as a document for JSON; times in microseconds."""
    prepared = [prepare(phone.code) for phone in phones(20 if quick else CODES)]
    rounds = 5 if quick else 40
    verifier = Verifier(TRUST, max_age=DAY)

    def whole(one: Prepared) -> Decision:
        return verifier.check_bytes(one.data, Direction.ENTRY, NOW)

    for one in prepared:
        _require_accepted(whole(one))
    pairs = in_turns({WHOLE: whole, SIGNATURES: two_signatures}, prepared, rounds)
    parts = in_turns(_parts(verifier), prepared, max(1, rounds // 4))
    peers = in_turns({WHOLE: whole, **_peers()}, prepared[: 3 if quick else 20], 2)
    ratio = ratios(pairs[WHOLE], pairs[SIGNATURES])
    return {
        "machine": machine(PACKAGES),
        "codes": len(prepared),
        "pairs": len(ratio),
        "target": TARGET,
        "ratio": {"median": median(ratio), "p10": percentile(ratio, 10), "p90": percentile(ratio, 90)},
        "microseconds": {name: _spread(times) for name, times in pairs.items()},
        "parts": {name: median(times) for name, times in parts.items()},
        "peers": {name: median(times) for name, times in peers.items()},
    }


def target_met(document: dict[str, Any]) -> bool:
    """Is the median of the ratios within the target?"""
    return bool(document["ratio"]["median"] <= document["target"])


def page(found: dict[str, Any]) -> str:
    """The page of the figures: Markdown."""
    ratio, both = found["ratio"], found["microseconds"]
    rows = [(name, *(f"{spread[key]:.0f}" for key in ("median", "p10", "p90"))) for name, spread in both.items()]
    base = both[SIGNATURES]["median"]
    parts = [(name, f"{time:.1f}", f"{time / base:.2f}") for name, time in found["parts"].items()]
    peers = [(name, f"{time:,.0f}", f"{time / found['peers'][WHOLE]:.1f}") for name, time in found["peers"].items()]
    return (
        f"# One offline verification\n\nMade by `{found['command']}` on {machine_line(found)}\n\n"
        f"Target: from the 184 bytes to the decision (no base45, no image, no disk) at most {found['target']} times "
        f"the two signature checks themselves, the same libraries called directly with the same inputs: "
        f"**{ratio['median']:.2f}** ({ratio['p10']:.2f} to {ratio['p90']:.2f} from the 10th to the 90th percentile), "
        f"{verdict(target_met(found))}.\n\n"
        f"{found['pairs']:,} pairs of {found['codes']} codes, in turns; the ratio is taken pair by pair.\n\n"
        + table(("microseconds", "median", "p10", "p90"), rows)
        + "\n## Where it goes\n\nEach timed alone, in turns with the others; some contain others.\n\n"
        + table(("", "microseconds", "of the two signature checks"), parts)
        + "\n## Peers\n\n"
        + table(("", "microseconds", "times ours"), peers)
    )


def _parts(verifier: Verifier) -> dict[str, Callable[[Prepared], object]]:
    return {
        WHOLE: lambda one: verifier.check_bytes(one.data, Direction.ENTRY, NOW),
        SIGNATURES: two_signatures,
        RECOVER: recover,
        LOAD: lambda one: load_point(one.point),
        VERIFY: lambda one: one.key.verify(one.der, one.message, ECDSA),
        "step 1: read the code (with the point, and the rider's address)": lambda one: Code.from_bytes(one.data),
        "the ticket hash": lambda one: one.code.ticket.hash(TRUST.domain),
        "step 5: the issuer's address from the signature": lambda one: recover_address(
            one.ticket_hash, one.code.ticket.signature
        ),
        "step 8: the rider's signature": lambda one: one.code.rider.verify(one.message, one.code.rider_signature),
        "base45, which comes before and isn't counted": lambda one: bytes_from_text(one.text),
    }


def _peers() -> dict[str, Callable[[Prepared], object]]:
    return {
        "eth_account's typed data, with coincurve; cryptography": _by_eth_account,
        "eth_keys in pure Python, the ticket hash given; cryptography": _by_pure_python,
    }


def _by_eth_account(one: Prepared) -> None:
    """The same as one writes it with Ethereum's usual packages."""
    ticket = Code.from_bytes(one.data).ticket
    signable = encode_typed_data(
        {
            "name": "Interline",
            "version": "1",
            "chainId": TRUST.domain.chain_id,
            "verifyingContract": "0x" + TRUST.domain.clearinghouse.hex(),
        },
        _TYPES,
        {
            "issuer": ticket.issuer,
            "keyId": ticket.key_id,
            "operator": ticket.operator,
            "serial": ticket.serial,
            "notAfter": ticket.not_after,
            "fareCap": ticket.fare_cap,
            "rider": ticket.rider,
        },
    )
    signer = Account.recover_message(signable, signature=one.recoverable[:64] + bytes((27 + one.recoverable[64],)))
    if bytes.fromhex(signer[2:]) != recover_address(one.ticket_hash, ticket.signature):
        raise RuntimeError("eth_account recovers another address")
    _verify_rider(one)


def _by_pure_python(one: Prepared) -> None:
    """What happens where coincurve isn't installed."""
    public = NativeECCBackend().ecdsa_recover(one.ticket_hash, Signature(one.recoverable))
    keccak256(public.to_bytes())
    _verify_rider(one)


def _verify_rider(one: Prepared) -> None:
    load_point(one.point).verify(one.der, one.message, ECDSA)


def _spread(times: list[float]) -> dict[str, float]:
    return {"median": median(times), "p10": percentile(times, 10), "p90": percentile(times, 90)}


def _require_accepted(decision: Decision) -> None:
    if not decision.accepted:
        raise RuntimeError(f"expected codes that are accepted, one is {decision.reason}")
