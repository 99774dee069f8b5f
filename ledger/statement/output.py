"""Statements into files: each whole or not there at all."""

import os
from pathlib import Path

from ledger.errors import FormError
from ledger.statement.csv_form import csv_tables
from ledger.statement.formats import Form, file_name
from ledger.statement.model import Statement


def write_out(statement: Statement, form: Form, out: Path) -> list[Path]:
    """Write a statement; gives what was written.

    `out` is the file; or a folder that is there, and the file gets a name that says what is in it. CSV is several
    tables: in a zip, if `out` ends with .zip, else in that folder, which is made where it isn't there.

    Raises:
        FormError: it can't be written there.
    """
    try:
        if form.name == "csv" and out.suffix != ".zip":
            out.mkdir(parents=True, exist_ok=True)
            return [_write(out / name, content) for name, content in csv_tables(statement).items()]
        path = out / file_name(statement, form) if out.is_dir() else out
        path.parent.mkdir(parents=True, exist_ok=True)
        return [_write(path, form.write(statement))]
    except OSError as error:
        raise FormError(f"expected a place to write to, came {out}: {error}; name another with --out") from error


def _write(path: Path, content: bytes) -> Path:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
