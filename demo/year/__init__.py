"""The article's first year, made again: eleven cities by their joining dates, and all their rides, on a chain.

Every ticket, batch and transaction is signed with a key, and every ride is settled by the real contracts, in blocks
that carry the dates of 2018-12-01 to 2019-12-31. `python -m demo.year --rides N --out DIR` makes a year of N rides;
tests call :func:`make_plan` and :func:`make_year`. What the article says, and what is assumed: docs/year.md.
"""

from demo.year.making import SEED, Made, Plan, make_plan, make_year, year_chain

__all__ = ["SEED", "Made", "Plan", "make_plan", "make_year", "year_chain"]
