"""What only the Clearinghouse's events tell: which days' fares are withheld, and which successors were called off."""

from collections.abc import Mapping

from consortium.chain import Chain
from consortium.money import Withheld
from consortium.standing import City, Standing


def read_withheld(chain: Chain, standing: Standing, debtor: City) -> list[Withheld]:
    """What is withheld of a city's arrears in the deployment's Clearinghouse, at the block of `standing`, by day.

    A correction that was set off against withheld fares is no event of its own: it is taken from the oldest days, of
    which 0 fen may be left.

    Raises ChainError where the node doesn't answer.
    """
    house, block = standing.house, standing.block
    made = chain.read("Clearinghouse", house.address, "deployedAt", block=block)
    pairs: dict[int, dict[int, int]] = {}
    kinds = ("FaresWithheld", "WithheldReleased")
    for kind, it in chain.history("Clearinghouse", house.address, kinds, (made, block), issuer=debtor.code):
        days = pairs.setdefault(it["operator"], {})
        if kind == "FaresWithheld":
            days[it["day"]] = days.get(it["day"], 0) + it["amount"]
        else:
            days.pop(it["day"], None)  # what is released of a day is all that was withheld on it so far
    found = []
    for code, days in pairs.items():
        if code in standing.cities and days:
            still = chain.read("Clearinghouse", house.address, "withheld", debtor.code, code, block=block)
            found += [
                Withheld(standing.cities[code], day, amount, house.releasable_from(day))
                for day, amount in newest_first(days, still).items()
            ]
    return sorted(found, key=lambda one: (one.day, one.creditor.code))


def newest_first(days: Mapping[int, int], still: int) -> dict[int, int]:
    """What is left by day of all that was withheld, fen: corrections were set off against that of the oldest days."""
    left = {}
    for day in sorted(days, reverse=True):
        left[day] = min(days[day], still)
        still -= left[day]
    return left


def read_called_off(chain: Chain, standing: Standing) -> dict[str, list[str]]:
    """The successors that votes called off, by the address of the Clearinghouse, in their order.

    Raises ChainError where the node doesn't answer.
    """
    found = {}
    for house in standing.houses:
        made = chain.read("Clearinghouse", house.address, "deployedAt", block=standing.block)
        events = chain.events("Clearinghouse", house.address, "SuccessorCancelled", (made, standing.block))
        found[house.address] = [event["successor"] for event in events]
    return found
