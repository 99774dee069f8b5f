"""Giving a city back to its recovery address, and changing that address: which contract is called, and by whom.

Facts come in, calls go out; no network and no accounts here.
"""

from typing import Final

from consortium.acts import Actor, Deed, nothing, registry_call
from consortium.calls import Call, Step, encode_call
from consortium.standing import City, Standing
from consortium.times import format_moment

TIME_TO_ACCEPT: Final = 14 * 86_400
"""How long a change can be accepted, and how long one key's word waits for the other's, seconds."""


def request_recovery(standing: Standing, city: City, actor: Actor) -> Call:
    """Ask the others to give a city back to its recovery address, which signs."""
    data = encode_call("Consortium", "requestRecovery", city.code)
    what = f"the recovery address of {city.label} asks the others to give the city back to it"
    return Call(Step.REQUEST_RECOVERY, what, actor.address, actor.role, standing.consortium, data)


def withdraw_request(standing: Standing, actor: Actor, number: int) -> Call:
    """Take a request for a recovery back."""
    data = encode_call("Consortium", "withdrawRequest", number)
    what = f"the request for a recovery, proposal {number}, is taken back"
    return Call(Step.WITHDRAW_REQUEST, what, actor.address, actor.role, standing.consortium, data)


def change_recovery(standing: Standing, city: City, actor: Actor, address: str, is_refused: bool) -> Deed:
    """Name another recovery address, as one of the city's two keys.

    Args:
        is_refused: whether the registry would refuse it now: where the key named it before, and its word still holds.
    """
    recovery = city.recovery
    other = "treasury" if actor.address == city.admin else "admin"
    then = f"within 14 days its {other} has to name it, too: `change-recovery {address} --role {other}`"
    if recovery.new == address and is_refused:
        if recovery.new_from:
            return nothing("change-recovery", f"{address} may accept from {format_moment(recovery.new_from)} on")
        if recovery.named_by == actor.address:
            return nothing("change-recovery", f"{actor.address} named it before; {then}")
    agrees = recovery.new == address and not recovery.new_from and recovery.named_by not in (None, actor.address)
    says = (f"{city.label} names {address} as its recovery address in place of {recovery.address}",)
    notes = [then]
    if agrees:
        notes = [
            "both keys named it: in 14 days it accepts with `accept-recovery`; until then admin or treasury can "
            "`cancel-changes`"
        ]
    elif recovery.new and recovery.new != address:
        notes.append(f"{recovery.new}, which was named before, isn't any more")
    call = registry_call(standing, city, actor, says[0], "changeRecovery", address)
    return Deed("change-recovery", says, (call,), tuple(notes))


def accept_recovery(standing: Standing, city: City, actor: Actor) -> Deed:
    """Take the place of the city's recovery address."""
    says = (f"{actor.address} takes over as recovery address of {city.label} from {city.recovery.address}",)
    return Deed("accept-recovery", says, (registry_call(standing, city, actor, says[0], "acceptRecovery"),))
