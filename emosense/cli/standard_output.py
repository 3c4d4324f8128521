"""`-o -`: a table that is written to a temporary folder, and printed on standard output when it is finished."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Final

from emosense.cli.streams import lost_output
from emosense.errors import EmoSenseError, OutputError, UsageError

STANDARD_OUTPUT: Final = "-"
# Formats of text that hold every row.
_FORMATS: Final = ("csv", "jsonl")


@contextlib.contextmanager
def printed_table(formats: Sequence[str]) -> Iterator[str]:
    """Print a table when the block ends; there is no run folder to resume from.

    Parameters
    ----------
    formats : sequence of str
        What ``-f`` names: ``csv`` or ``jsonl``, or nothing for CSV.

    Yields
    ------
    str
        Where to write the table.

    Raises
    ------
    UsageError
        If the format is no text, or there are several.
    OutputError
        If the table cannot be printed whole: there is no other copy.
    """
    name = formats[0] if formats else _FORMATS[0]
    if len(formats) > 1 or name not in _FORMATS:
        raise UsageError(f"-o - prints one table: choose -f {' or -f '.join(_FORMATS)}")
    with tempfile.TemporaryDirectory(prefix="emosense-") as folder:
        table = os.path.join(folder, f"labels.{name}")
        try:
            yield table
        except EmoSenseError as err:
            temporary = f"the temporary folder {os.path.dirname(folder)}"
            err.args = (str(err).replace(f"{table}.run", temporary).replace(table, "standard output"),)
            raise
        finally:
            # A command ends with an exception that carries its exit code.
            if os.path.exists(table):
                sys.stdout.flush()
                with open(table, "rb") as file:
                    shutil.copyfileobj(file, sys.stdout.buffer)
                sys.stdout.flush()
                if (fault := lost_output()) is not None:
                    raise OutputError(f"the table could not be printed: {fault.strerror}") from fault
