"""What only the Clearinghouse's events tell: which days' fares are withheld, and which successors were called off."""

from collections.abc import Mapping

from consortium.chain import Chain
from consortium.money import Withheld, releasable_from
from consortium.standing import City, Standing


def read_withheld(chain: Chain, standing: Standing, debtor: City) -> list[Withheld]:
    """What is withheld of a city's arrears in the deployment's Clearinghouse, at the block of `standing`, by day.

    A correction that was set off against withheld fares is no event of its own: it is taken from the oldest days.

    Raises ChainError where the node doesn't answer.
    """
    house, block = standing.house, standing.block
    made = chain.read("Clearinghouse", house.address, "deployedAt", block=block)
    by_pair: dict[tuple[int, int], int] = {}
    for event, sign in (("FaresWithheld", 1), ("WithheldReleased", -1)):
        for it in chain.events("Clearinghouse", house.address, event, (made, block), issuer=debtor.code):
            pair = it["operator"], it["day"]
            by_pair[pair] = by_pair.get(pair, 0) + sign * it["amount"]
    found = []
    for creditor in {creditor for creditor, _ in by_pair if creditor in standing.cities}:
        still = chain.read("Clearinghouse", house.address, "withheld", debtor.code, creditor, block=block)
        days = {day: amount for (other, day), amount in by_pair.items() if other == creditor}
        for day, amount in _newest(days, still).items():
            until = releasable_from(day, house.parameters.answer_time)
            found.append(Withheld(standing.cities[creditor], day, amount, until))
    return sorted(found, key=lambda one: (one.day, one.creditor.code))


def _newest(days: Mapping[int, int], still: int) -> dict[int, int]:
    """The amounts by day that are left of `still` fen, the newest days first."""
    left = {}
    for day in sorted(days, reverse=True):
        amount = min(max(0, days[day]), still)
        if amount:
            left[day] = amount
        still -= amount
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
