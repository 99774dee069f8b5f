"""`make abi`: writes `interline/abi/` from the compiled contracts, for clients that have no compiler."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from interline.contracts import CONTRACTS, sorted_abi

REPOSITORY: Final = Path(__file__).resolve().parent.parent
MANIFEST: Final = REPOSITORY / ".build" / "__local__.json"
FOLDER: Final = REPOSITORY / "interline" / "abi"


def compiled_abis(manifest: Path = MANIFEST) -> dict[str, str]:
    """The text of each contract's file in `interline/abi/`, from what `ape compile` wrote.

    Raises:
        OSError, ValueError, KeyError: there is no such manifest, or it lacks one of `CONTRACTS`.
    """
    types: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))["contractTypes"]
    return {name: json.dumps(sorted_abi(types[name]["abi"]), indent=1) + "\n" for name in CONTRACTS}


def main() -> None:
    """Writes the files that differ, and names them."""
    for name, text in compiled_abis().items():
        path = FOLDER / f"{name}.json"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stderr.write(f"{path.relative_to(REPOSITORY)} written\n")


if __name__ == "__main__":
    main()
