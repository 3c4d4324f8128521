"""A tar archive that is compressed as a whole -> its bytes, unpacked from the beginning as far as they are needed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from emosense.errors import RecordingError
from emosense.inputs.archive import BAD, COMPRESSED_TARS, Member, bad, most_unpacked
from emosense.inputs.tar_index import tar_members
from emosense.storage.locations import shown_location
from emosense.storage.ranges import BLOCK_BYTES, RangeFile
from emosense.storage.temporary import faults_of_temporary

_OPENERS: Final[dict[str, Callable[[Any], Any]]] = {"gzip": gzip.open, "bz2": bz2.open, "lzma": lzma.open}
_PIECE_BYTES: Final = 1 << 20


class UnpackedTar:
    """A compressed tar archive that is read by parts.

    Parameters
    ----------
    file : RangeFile
        Open; its name tells the compression.
    is_kept : bool
        Whether what is unpacked is kept in a temporary file, so that parts can be read in any order. Otherwise a part
        must not lie before the one that was read last.
    """

    def __init__(self, file: RangeFile, *, is_kept: bool) -> None:
        file.ahead = BLOCK_BYTES
        name = shown_location(file.location).lower()
        module = next(module for extension, module in COMPRESSED_TARS.items() if name.endswith(extension))
        self._stream: Any = _OPENERS[module](io.BufferedReader(cast("io.RawIOBase", file.stream()), _PIECE_BYTES))
        self._most_bytes = most_unpacked(file.length)
        self._n_unpacked, self._held = 0, b""
        self._kept: Any = None
        if is_kept:
            with faults_of_temporary():
                self._kept = tempfile.TemporaryFile(prefix="emosense-tar-")  # noqa: SIM115 - closed by `close`

    def part(self, start: int, length: int) -> bytes:
        """Read a part.

        Parameters
        ----------
        start, length : int
            Its first byte in the unpacked archive, and how many.

        Returns
        -------
        bytes
            Fewer at the end of the archive.

        Raises
        ------
        RecordingError
            ``bad_archive`` if it is damaged before the end of the part, or unpacks to far more than it takes.
        StorageError
            If storage does not answer, or the temporary folder has no room.
        """
        while self._n_unpacked < start + length and (piece := self._next_piece()):
            self._n_unpacked += len(piece)
            if self._kept is None:
                needed = max(0, self._n_unpacked - start)
                self._held = (self._held + piece)[-needed:] if needed else b""
            else:
                with faults_of_temporary():
                    self._kept.write(piece)
        if self._kept is None:
            at = start - (self._n_unpacked - len(self._held))
            return self._held[at : at + length]
        with faults_of_temporary():
            self._kept.flush()
            return os.pread(self._kept.fileno(), length, start)

    def _next_piece(self) -> bytes:
        try:
            # Not `read`, which loses what lies before damage.
            piece: bytes = self._stream.read1(_PIECE_BYTES)
        except (EOFError, zlib.error, lzma.LZMAError) as err:
            raise RecordingError(BAD, f"the archive is damaged: {err}") from err
        except OSError as err:
            # Those of the system have a number, those of the unpackers have none.
            if err.errno is not None:
                raise
            raise RecordingError(BAD, f"the archive is damaged: {err}") from err
        if self._n_unpacked + len(piece) > self._most_bytes:
            raise RecordingError(BAD, "the archive unpacks to far more than it takes")
        return piece

    def reaches(self, end: int) -> bool:
        """Tell whether the archive is at least so long.

        Parameters
        ----------
        end : int
            Number of bytes.

        Returns
        -------
        bool
        """
        return not end or bool(self.part(end - 1, 1))

    def close(self) -> None:
        """Remove the temporary file."""
        if self._kept is not None:
            self._kept.close()


def compressed_tar_members(file: RangeFile) -> Iterator[Member]:
    """List a compressed tar archive.

    Parameters
    ----------
    file : RangeFile
        Open.

    Yields
    ------
    Member
        In order of the archive; after damage, one for the archive itself.
    """
    try:
        for member in tar_members(UnpackedTar(file, is_kept=False)):
            kind, _, place = member.place.partition(":")
            yield Member(member.name, member.size, f"unpacked:{place}") if kind == "range" else member
    except RecordingError as err:
        yield bad("", str(err))
