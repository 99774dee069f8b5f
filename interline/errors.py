"""What can go wrong in this package. Every message says what was expected and what came."""


class InterlineError(Exception):
    """Anything this package refuses."""


class MalformedError(InterlineError, ValueError):
    """Bytes, text or fields that break the protocol's formats."""


class UnsupportedVersionError(MalformedError):
    """A code or ticket of a protocol version other than 1."""


class KeystoreError(InterlineError):
    """A keystore that can't be read, opened or written."""


class TariffError(InterlineError):
    """A tariff that is not complete or not consistent."""


class CityFileError(InterlineError):
    """A city file that can't be used."""


class OperatingDayError(InterlineError, ValueError):
    """A time zone that isn't known, or a beginning of the day that is no time of day."""


class MoneyError(InterlineError, ValueError):
    """An amount that is not whole fen."""


class SettingsError(InterlineError):
    """A file of settings is missing, damaged, or says something that can't be."""


class SettlementError(InterlineError):
    """What the chain says of a settled batch doesn't fit together, or the batch isn't where it should be."""


class BatchNotFoundError(SettlementError):
    """The bytes of a settled batch are nowhere that was looked at: its rides can't be read, but all else can."""


class TraceError(InterlineError):
    """A node gives no trace of a transaction, or none that can be read."""


class BatchFileError(InterlineError):
    """A file that was given as a batch's bytes can't be read, or holds another batch or none."""


class EvidenceError(InterlineError, ValueError):
    """Codes or signatures that don't prove a ride."""


class ChainDataError(InterlineError, ValueError):
    """An event or an answer that the contract can't have given: the node doesn't tell what the chain says."""
