"""Rides: the unit that is settled (protocol section 5)."""

from dataclasses import dataclass
from struct import Struct
from typing import Final, Self

from interline.errors import MalformedError
from interline.fields import UINT16_MAX, UINT32_MAX, UINT40_MAX, check_bytes, check_uint
from interline.signatures import ADDRESS_BYTES, SIGNATURE_BYTES

RIDE_BYTES: Final = 113
UNKNOWN_STATION: Final = 0

# serial (its first byte and the other four), notAfter, fareCap, rider, stations, times, fare, issuerSignature
_RIDE: Final = Struct(">BIII20sHHIII64s")


@dataclass(frozen=True, slots=True)
class Ride:
    """A ride. Times are in Unix seconds, money in fen; station 0 is one that is not known.

    Only the fields' ranges are checked: whether the ride settles is for the chain to say (section 6).

    Raises:
        MalformedError: a field out of its range.
    """

    serial: int
    not_after: int
    fare_cap: int
    rider: bytes
    entry_station: int
    exit_station: int
    entered_at: int
    exited_at: int
    fare: int
    issuer_signature: bytes

    def __post_init__(self) -> None:
        check_uint("serial", self.serial, UINT40_MAX)
        check_uint("notAfter", self.not_after, UINT32_MAX)
        check_uint("fareCap", self.fare_cap, UINT32_MAX)
        check_bytes("rider", self.rider, ADDRESS_BYTES)
        check_uint("entryStation", self.entry_station, UINT16_MAX)
        check_uint("exitStation", self.exit_station, UINT16_MAX)
        check_uint("enteredAt", self.entered_at, UINT32_MAX)
        check_uint("exitedAt", self.exited_at, UINT32_MAX)
        check_uint("fare", self.fare, UINT32_MAX)
        check_bytes("issuerSignature", self.issuer_signature, SIGNATURE_BYTES)

    def to_bytes(self) -> bytes:
        """The ride's 113 bytes."""
        return _RIDE.pack(
            self.serial >> 32,
            self.serial & UINT32_MAX,
            self.not_after,
            self.fare_cap,
            self.rider,
            self.entry_station,
            self.exit_station,
            self.entered_at,
            self.exited_at,
            self.fare,
            self.issuer_signature,
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The ride of 113 bytes.

        Raises:
            MalformedError: another length.
        """
        if len(data) != RIDE_BYTES:
            raise MalformedError(f"ride: expected {RIDE_BYTES} bytes, came {len(data)}")
        high, low, *rest = _RIDE.unpack(data)
        return cls(high << 32 | low, *rest)
