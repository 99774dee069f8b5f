"""The article's first year, small, as a world for tests: chain, contracts, and what the year must come to.

    @pytest.fixture(scope="session")
    def year() -> Iterator[YearWorld]:
        with year_world() as world:
            yield world

A year of 600 rides takes about 3 seconds. It has everything: 11 cities, refused and late rides, arrears (some open in
the end), refunds, open and answered and unanswered disputes, revoked tickets, withdrawals, and a second issuer key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from web3 import Web3

from demo.year import SEED, Made, make_plan, make_year, year_chain
from demo.year.report import write_bank_book
from network.chain import Chain
from tests.support.deploy import compiled


@dataclass(frozen=True)
class YearWorld:
    """A year that was made, on a chain that runs."""

    chain: Chain
    made: Made

    @property
    def web3(self) -> Web3:
        """Connected to the chain."""
        return Web3(Web3.HTTPProvider(self.chain.url))

    @property
    def clearinghouse(self) -> str:
        """Its checksummed address."""
        return self.made.plan.addresses["Clearinghouse"]

    def bank_book(self, folder: Path) -> Path:
        """A file with every deposit and withdrawal as the bank booked it."""
        write_bank_book(folder / "bank.csv", self.made)
        return folder / "bank.csv"


@contextmanager
def year_world(rides: int = 600, seed: int = SEED) -> Iterator[YearWorld]:
    """A year of so many rides on a chain of its own; what is sent afterwards is mined at once."""
    compiled("Clearinghouse")  # the contracts, if their sources are newer
    with year_chain(rides) as chain:
        yield YearWorld(chain, make_year(make_plan(rides, seed), chain.url, processes=1))
