"""Where a deployment's Clearinghouse is, by its file (deployments/README.md)."""

import json
from pathlib import Path

from ledger.errors import LedgerError


def read_clearinghouse(path: Path) -> str:
    """The Clearinghouse's address.

    Raises:
        LedgerError: there is no such file, or it isn't a deployment's.
    """
    try:
        address = json.loads(path.read_text(encoding="utf-8"))["contracts"]["Clearinghouse"]["address"]
    except FileNotFoundError as error:
        raise LedgerError(
            f"expected a deployment's file at {path}, there is none: deploy first, or name another with --deployment"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"expected a deployment's file at {path}, it isn't one ({error!r})") from error
    return str(address)
