"""LibreOffice without a window: opens a workbook, recalculates every formula of it, and saves it in another form."""

import shutil
import subprocess
from pathlib import Path

from tests.support.patience import PATIENCE

_ALWAYS_RECALCULATE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop>
</item>
</oor:items>
"""
"""Left to itself, LibreOffice believes the values that a workbook brings along with its formulas."""


def convert(workbook: Path, suffix: str, folder: Path) -> Path:
    """A workbook in another form (`xlsx`, `pdf`), in `folder`, with every formula calculated anew.

    Raises:
        RuntimeError: there is no LibreOffice, or it made nothing of the workbook.
    """
    soffice = shutil.which("soffice")
    if soffice is None:
        raise RuntimeError("expected LibreOffice's soffice on the PATH, found none; install it (libreoffice-calc)")
    profile = folder / "profile"
    settings = profile / "user" / "registrymodifications.xcu"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(_ALWAYS_RECALCULATE)
    command = [soffice, f"-env:UserInstallation={profile.resolve().as_uri()}", "--headless"]
    command += ["--convert-to", suffix, "--outdir", str(folder), str(workbook)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    converted = folder / f"{workbook.stem}.{suffix}"
    if ran.returncode != 0 or not converted.is_file():
        raise RuntimeError(f"LibreOffice made no {suffix} of {workbook.name}: {ran.stdout}{ran.stderr}")
    return converted
