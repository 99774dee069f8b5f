"""The last step of `make setup`: lets this virtual environment find the compiler.

Writes a `.pth` file into its site-packages, which Python runs at every start: so `SOLCX_BINARY_PATH` (where py-solc-x
and ape look for compilers before they download any) is right in every shell, activated or not.
"""

import sysconfig
from pathlib import Path


def main() -> None:
    """Writes the file."""
    toolchain = Path(__file__).resolve().parent / "toolchain"
    line = f"import os; os.environ.setdefault('SOLCX_BINARY_PATH', {str(toolchain)!r})\n"
    Path(sysconfig.get_paths()["purelib"], "interline_toolchain.pth").write_text(line, encoding="utf-8")


if __name__ == "__main__":
    main()
