"""What settling a batch can't cost less than, from the EVM's prices alone: nothing in it for what a contract does."""

from __future__ import annotations

from typing import Final

from bench import evm

SERIALS_IN_WORD: Final = 256
STRUCT_BYTES: Final = 256
DIGEST_BYTES: Final = 66
BATCH_STRUCT_BYTES: Final = 96
PAIR_SETTLED: Final = evm.log_gas(topics=4, size=96)
BATCH_SETTLED: Final = evm.log_gas(topics=3, size=96)
ONE_SIGNATURE: Final = evm.ECRECOVER + evm.WARM
ONE_TICKET_HASH: Final = evm.keccak_gas(STRUCT_BYTES) + evm.keccak_gas(DIGEST_BYTES)
FRESH_WORD: Final = evm.COLD_SLOT + evm.SSTORE_FRESH
USED_WORD: Final = evm.COLD_SLOT + evm.SSTORE_USED


def batch_bound(calldata: bytes, batch_bytes: int, rides: int) -> dict[str, int]:
    """The parts of the bound for a batch of one issuer whose serials fill fresh storage words."""
    submitter = ONE_SIGNATURE + evm.keccak_gas(BATCH_STRUCT_BYTES) + evm.keccak_gas(DIGEST_BYTES)
    return {
        "transaction": evm.TRANSACTION,
        "calldata": evm.calldata_gas(calldata),
        "issuer's signatures": rides * ONE_SIGNATURE,
        "ticket hashes": rides * ONE_TICKET_HASH,
        "batch: copy, memory, hash": batch_memory(batch_bytes),
        "submitter's signature": submitter,
        "registry: four words of another contract": evm.COLD_ACCOUNT + evm.WARM + 4 * evm.COLD_SLOT,
        "parameters": evm.COLD_SLOT,
        "serial words": -(-rides // SERIALS_IN_WORD) * FRESH_WORD,
        "two balances": 2 * USED_WORD,
        "batch record": FRESH_WORD,
        "events": PAIR_SETTLED + BATCH_SETTLED,
    }


def issuer_bound(*, fresh: bool) -> int:
    """What an issuer adds to a batch besides its rides: its two registry words, serial word, balance, event, header."""
    registry = evm.WARM + 2 * evm.COLD_SLOT
    word = FRESH_WORD if fresh else USED_WORD
    return registry + word + USED_WORD + PAIR_SETTLED + 5 * evm.NONZERO_BYTE


def batch_memory(size: int) -> int:
    """Bringing a batch of `size` bytes to memory and hashing it there."""
    return evm.copy_gas(size) + evm.memory_gas(size) + evm.keccak_gas(size)
