"""The tables of the index: what the chain says, as an accountant asks for it.

Amounts are in fen, times in Unix seconds, cities their codes (uint16), hashes and references their 32 bytes. `place` is
a log's number in its block, so (block, place) orders everything as it happened. Every table but `meta`, `blocks` and
`given_batches` can be cut off above a block: that is how a reorganised chain is followed, and a statement made as of an
older block.
"""

from typing import Final

SCHEMA_VERSION: Final = 3
"""An index with another one is made anew: all of it follows from the chain."""

TABLES: Final[dict[str, str]] = {
    # chain_id, clearinghouse, registry, refunds, consortium, token (0x…), since (first block), schema, operating_days
    # (of the cities that don't have the default, as JSON)
    "meta": "key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL",
    # every block with an event of ours, and the 64 up to the last one read, which is how far the index has come
    "blocks": "number BIGINT PRIMARY KEY, hash BLOB NOT NULL, time BIGINT NOT NULL",
    # every event of the Clearinghouse, its Refunds, the registry and the consortium; arguments as JSON: integers as
    # numbers, bytes as 0x…, addresses with their checksum, texts as interline.safe_text makes them; an event that the
    # interfaces don't have is `Unknown`, with its topics and data
    "events": """block BIGINT NOT NULL, place INTEGER NOT NULL, tx BLOB NOT NULL, contract VARCHAR NOT NULL,
        name VARCHAR NOT NULL, arguments VARCHAR NOT NULL""",
    # bytes of batches that were given by hand, by their hash: whatever becomes of the blocks, they stay
    "given_batches": "batch_id BLOB PRIMARY KEY, data BLOB NOT NULL",
    # batches of which a ride settled; `id` counts from 1 in the chain's order, `data` is the batch as it was signed,
    # NULL while its bytes weren't found (then it has no rows in `rides`), `signature` its submitter's, NULL where that
    # wasn't seen. An index is of one Clearinghouse, so that a batch id names one batch in it
    "batches": """id INTEGER NOT NULL, batch_id BLOB NOT NULL, operator USMALLINT NOT NULL, block BIGINT NOT NULL,
        place INTEGER NOT NULL, tx BLOB NOT NULL, settled_at BIGINT NOT NULL, settled INTEGER NOT NULL,
        refused INTEGER NOT NULL, fares BIGINT NOT NULL, data BLOB, signature BLOB""",
    # rides of those batches that were refused, with the reason of protocol section 6
    "refused_rides": "batch INTEGER NOT NULL, index SMALLINT NOT NULL, reason UTINYINT NOT NULL, block BIGINT NOT NULL",
    # rides that settled, decoded from `data`; exit_day is the operating day of the exit, by the operator's own clock
    "rides": """batch INTEGER NOT NULL, index SMALLINT NOT NULL, issuer USMALLINT NOT NULL, key_id UTINYINT NOT NULL,
        operator USMALLINT NOT NULL, serial BIGINT NOT NULL, entry_station USMALLINT NOT NULL,
        exit_station USMALLINT NOT NULL, entered_at BIGINT NOT NULL, exited_at BIGINT NOT NULL,
        fare_cap INTEGER NOT NULL, fare INTEGER NOT NULL, settled_at BIGINT NOT NULL, exit_day DATE NOT NULL,
        block BIGINT NOT NULL""",
    # one for each issuer in a batch: `paid` of the fares came from its balance, the rest became arrears
    "pairs": """batch INTEGER NOT NULL, issuer USMALLINT NOT NULL, operator USMALLINT NOT NULL, rides INTEGER NOT NULL,
        fares BIGINT NOT NULL, paid BIGINT NOT NULL, settled_at BIGINT NOT NULL, block BIGINT NOT NULL,
        place INTEGER NOT NULL""",
    # deposits and withdrawals; kind is 'deposit' or 'withdrawal', address who paid it in or got it
    "transfers": """block BIGINT NOT NULL, place INTEGER NOT NULL, tx BLOB NOT NULL, time BIGINT NOT NULL,
        kind VARCHAR NOT NULL, city USMALLINT NOT NULL, address BLOB NOT NULL, amount BIGINT NOT NULL,
        reference BLOB NOT NULL""",
    "arrears_payments": """block BIGINT NOT NULL, place INTEGER NOT NULL, tx BLOB NOT NULL, time BIGINT NOT NULL,
        debtor USMALLINT NOT NULL, creditor USMALLINT NOT NULL, amount BIGINT NOT NULL""",
    # what of arrears is above the debtor's daily limit, and can't be paid yet: kind is 'withheld' (amount above 0),
    # 'released', or 'set_off' (below 0: a correction cancelled the arrears). `day` is that of the fares, UTC, since
    # 1970; 0 of what was set off. The amounts of a pair add up to what is withheld of it
    "withholdings": """block BIGINT NOT NULL, place INTEGER NOT NULL, tx BLOB NOT NULL, time BIGINT NOT NULL,
        kind VARCHAR NOT NULL, debtor USMALLINT NOT NULL, creditor USMALLINT NOT NULL, day INTEGER NOT NULL,
        amount BIGINT NOT NULL""",
    # what went back of a ride's fare; `paid` includes what was set off against arrears; cause as in IRefunds
    "refunds": """block BIGINT NOT NULL, place INTEGER NOT NULL, tx BLOB NOT NULL, time BIGINT NOT NULL,
        batch INTEGER NOT NULL, index SMALLINT NOT NULL, issuer USMALLINT NOT NULL, operator USMALLINT NOT NULL,
        amount BIGINT NOT NULL, paid BIGINT NOT NULL, cause UTINYINT NOT NULL""",
    "disputes": """block BIGINT NOT NULL, place INTEGER NOT NULL, tx BLOB NOT NULL, time BIGINT NOT NULL,
        batch INTEGER NOT NULL, index SMALLINT NOT NULL, issuer USMALLINT NOT NULL, operator USMALLINT NOT NULL,
        amount BIGINT NOT NULL, answer_until BIGINT NOT NULL, fee BIGINT NOT NULL""",
    # disputes that were answered: the issuer owes the operator `fee`, of which `paid` at once
    "answers": """block BIGINT NOT NULL, place INTEGER NOT NULL, tx BLOB NOT NULL, time BIGINT NOT NULL,
        batch INTEGER NOT NULL, index SMALLINT NOT NULL, issuer USMALLINT NOT NULL, operator USMALLINT NOT NULL,
        fee BIGINT NOT NULL, paid BIGINT NOT NULL""",
    # the books, double entry: what each event above posts to each city's own accounts, by ledger.books. A debit is
    # above 0, a credit below; the lines of one (block, place, city) add up to 0. `other` is the counterparty, 0 if
    # there is none; `block, place` are those of the event. Arrears that a refund or a fee sets off are posted with it
    "postings": """block BIGINT NOT NULL, place INTEGER NOT NULL, time BIGINT NOT NULL, kind VARCHAR NOT NULL,
        city USMALLINT NOT NULL, account VARCHAR NOT NULL, other USMALLINT NOT NULL, amount BIGINT NOT NULL,
        batch INTEGER, index SMALLINT""",
}
"""Each table's columns, by its name."""
