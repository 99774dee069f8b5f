"""The peer of the index: `get_logs` into SQLite, the plainest script that a good engineer writes in an afternoon.

It reads every event of the Clearinghouse and its Refunds with web3, takes each batch's rides out of the input of its
transaction, and inserts everything into SQLite, a transaction of the database for each range of blocks. It does check
that a batch's hash is its id, that as many rides settled and were refused as its event says, and that its fares add up.
It doesn't check any signature, nor that a serial paid once, nor what was paid against the books; it keeps no double
entry, doesn't follow reorganised chains, and begins anew when it was killed.
"""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path
from typing import Any, Final

from eth_account import Account
from eth_account.messages import encode_typed_data
from web3 import Web3

from interline.contracts import load_abi

Refused = dict[tuple[bytes, int], int]

BLOCKS: Final = 500  # at once
RIDE: Final = struct.Struct(">BIII20sHHIII64s")
HEAD: Final = struct.Struct(">HBH")
SCHEMA: Final = """
CREATE TABLE batches (id BLOB PRIMARY KEY, operator INT, block INT, time INT, settled INT, refused INT, fares INT);
CREATE TABLE rides (batch BLOB, idx INT, issuer INT, key_id INT, operator INT, serial INT, entry_station INT,
  exit_station INT, entered_at INT, exited_at INT, fare_cap INT, fare INT, PRIMARY KEY (batch, idx)) WITHOUT ROWID;
CREATE TABLE pairs (batch BLOB, issuer INT, operator INT, rides INT, fares INT, paid INT);
CREATE TABLE others (block INT, place INT, name TEXT, arguments TEXT);
"""
TYPES: Final = {
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


def index(url: str, clearinghouse: str, path: Path, until: int | None = None) -> dict[str, int]:
    """Fill a new SQLite file; returns how many blocks, batches and rides."""
    path.unlink(missing_ok=True)
    web3 = Web3(Web3.HTTPProvider(url, request_kwargs={"timeout": 600}))
    house = web3.eth.contract(address=Web3.to_checksum_address(clearinghouse), abi=load_abi("Clearinghouse"))
    refunds = web3.eth.contract(address=house.functions.refunds().call(), abi=load_abi("Refunds"))
    last = web3.eth.block_number if until is None else until
    database = sqlite3.connect(path)
    database.executescript(SCHEMA)
    for first in range(house.functions.deployedAt().call(), last + 1, BLOCKS):
        span = {"from_block": first, "to_block": min(first + BLOCKS - 1, last)}
        with database:
            refused = _refused(house, span)
            for log in house.events.BatchSettled().get_logs(**span):
                _batch(web3, house, database, log, refused)
            for log in house.events.PairSettled().get_logs(**span):
                args = log["args"]
                row = (args["batchId"], args["issuer"], args["operator"], args["rides"], args["fares"], args["paid"])
                database.execute("INSERT INTO pairs VALUES (?, ?, ?, ?, ?, ?)", row)
            for contract, names in ((house, HOUSE_EVENTS), (refunds, REFUND_EVENTS)):
                for name in names:
                    for log in contract.events[name]().get_logs(**span):
                        row = (log["blockNumber"], log["logIndex"], name, str(dict(log["args"])))
                        database.execute("INSERT INTO others VALUES (?, ?, ?, ?)", row)
    counts = {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("batches", "rides")}
    database.close()
    return {"blocks": last, **counts}


HOUSE_EVENTS: Final = ("Deposited", "Withdrawn", "ArrearsPaid")
REFUND_EVENTS: Final = ("RideRefunded", "RideDisputed", "RideUpheld")


def recover_by_typed_data(chain_id: int, clearinghouse: str, operator: int, ride: tuple[Any, ...]) -> str:
    """Who signed a ride's ticket, by eth_account's typed data: the way its documentation shows."""
    issuer, key_id, serial, not_after, fare_cap, rider, signature = ride
    domain = {"name": "Interline", "version": "1", "chainId": chain_id, "verifyingContract": clearinghouse}
    message = {
        "issuer": issuer,
        "keyId": key_id,
        "operator": operator,
        "serial": serial,
        "notAfter": not_after,
        "fareCap": fare_cap,
        "rider": rider,
    }
    top = signature[32]
    full = signature[:32] + bytes((top & 0x7F,)) + signature[33:] + bytes((27 + (top >> 7),))
    return str(Account.recover_message(encode_typed_data(domain, TYPES, message), signature=full))


def rides_of(batch: bytes) -> list[tuple[int, int, tuple[Any, ...]]]:
    """(issuer, key id, fields) of every ride of a batch."""
    rides, at = [], 2
    while at < len(batch):
        issuer, key_id, count = HEAD.unpack_from(batch, at)
        at += HEAD.size
        for _ in range(count):
            rides.append((issuer, key_id, RIDE.unpack_from(batch, at)))
            at += RIDE.size
    return rides


def _refused(house: Any, span: dict[str, int]) -> Refused:
    logs = house.events.RideRejected().get_logs(**span)
    return {(log["args"]["batchId"], log["args"]["index"]): log["args"]["reason"] for log in logs}


def _batch(web3: Web3, house: Any, database: sqlite3.Connection, log: Any, refused: Refused) -> None:
    args = log["args"]
    if args["settled"] == 0:
        return
    transaction = web3.eth.get_transaction(log["transactionHash"])
    _, sent = house.decode_function_input(transaction["input"])
    batch, batch_id, operator = sent["batch"], args["batchId"], args["operator"]
    if Web3.keccak(batch) != batch_id:
        raise SystemExit(f"batch {batch_id.hex()}: another hash")
    rows = []
    for number, (issuer, key_id, ride) in enumerate(rides_of(batch)):
        if (batch_id, number) in refused:
            continue
        high, low, _, cap, _, entry, exit_, entered, exited, fare, _ = ride
        place = (batch_id, number, issuer, key_id, operator, high << 32 | low)
        rows.append((*place, entry, exit_, entered, exited, cap, fare))
    if len(rows) != args["settled"] or sum(row[-1] for row in rows) != args["fares"]:
        raise SystemExit(f"batch {batch_id.hex()}: rides don't add up")
    time = web3.eth.get_block(log["blockNumber"])["timestamp"]
    head = (batch_id, operator, log["blockNumber"], time, args["settled"], args["rejected"], args["fares"])
    database.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)", head)
    database.executemany("INSERT INTO rides VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
