"""A member of an archive -> its bytes, in a file; what lies behind it is read ahead if it is likely to be next."""

from __future__ import annotations

import contextlib
import errno
import itertools
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from emosense.errors import RecordingError
from emosense.inputs.archive import BAD
from emosense.storage.objects import faults_of_temporary
from emosense.storage.ranges import BLOCK_BYTES, RangeFile

if TYPE_CHECKING:
    from emosense.inputs.unpacked import UnpackedTar

_PIECE_BYTES: Final = 1 << 20
# Padding and the header of the next member, or its directory entry.
_GAP_BYTES: Final = 1 << 16
_NOWHERE: Final = -_GAP_BYTES - 1
_LOCAL_HEADER_BYTES: Final = 30
_ROWS_AT_ONCE: Final = 4


class MemberReader:
    """Reads members of archives; keeps the last archive open, since the next member is mostly in the same one."""

    def __init__(self) -> None:
        self._file: RangeFile | None = None
        self._end = _NOWHERE
        self._rows: tuple[int, str, Iterator[Any]] | None = None
        self._next_row = 0
        self._unpacked: UnpackedTar | None = None

    def copy(self, location: str, version: str, place: str, file: BinaryIO, on_progress: Callable[[], None]) -> None:
        """Copy a member.

        Parameters
        ----------
        location, version : str
            Of the archive, as listed; an empty version is not compared.
        place : str
            As `emosense.inputs.archive.Member` has it.
        file : binary file
            Open for writing.
        on_progress : callable
            Called after every piece.

        Raises
        ------
        RecordingError
            ``bad_archive``, ``changed_during_read``, ``missing``, ``permission_denied`` or ``io_error``.
        StorageError
            If storage does not answer.
        """
        kind, _, rest = place.partition(":")
        if kind == "bad":
            raise RecordingError(BAD, rest)
        try:
            archive = self._opened(location, version)
            for piece in _READERS[kind](self, archive, rest):
                with faults_of_temporary():
                    file.write(piece)
                on_progress()
            with faults_of_temporary():
                file.flush()
        except FileNotFoundError as err:
            self.close()
            raise RecordingError("missing", "there is no such archive: it was removed, or never existed") from err
        except PermissionError as err:
            raise RecordingError("permission_denied", "the archive may not be read") from err
        except OSError as err:
            self.close()
            if err.errno == errno.ESTALE:
                text = "the archive was replaced after it was listed"
                raise RecordingError("changed_during_read", text) from err
            raise RecordingError("io_error", f"the archive cannot be read: {err.strerror or err}") from err

    def close(self) -> None:
        """Close the archive."""
        if self._file is not None:
            self._file.close()
        if self._unpacked is not None:
            self._unpacked.close()
        self._file, self._rows, self._end, self._unpacked = None, None, _NOWHERE, None

    def _opened(self, location: str, version: str) -> RangeFile:
        if self._file is None or self._file.location != location:
            self.close()
            found = RangeFile(location)
            found.open()
            self._file = found
        if version and self._file.version != version:
            raise OSError(errno.ESTALE, "the archive is another one", location)
        return self._file

    def _pieces(self, archive: RangeFile, start: int, size: int) -> Iterator[bytes]:
        """Yield a part, and read ahead if it is near the end of the one before."""
        is_next = 0 <= start - self._end <= _GAP_BYTES
        archive.ahead = BLOCK_BYTES if is_next else min(size, BLOCK_BYTES)
        for at in range(start, start + size, _PIECE_BYTES):
            piece = archive.part(at, min(_PIECE_BYTES, start + size - at))
            if len(piece) < min(_PIECE_BYTES, start + size - at):
                raise RecordingError(BAD, "the archive ends in the middle of it")
            yield piece
        self._end = start + size

    def _read_range(self, archive: RangeFile, rest: str) -> Iterator[bytes]:
        """Yield a member that is stored as it is; `rest` is its first byte and its size."""
        start, size = map(int, rest.split(":"))
        return self._pieces(archive, start, size)

    def _read_unpacked(self, archive: RangeFile, rest: str) -> Iterator[bytes]:
        """Yield a member of a tar that is compressed as a whole, which is unpacked once, as far as it is needed."""
        from emosense.inputs.unpacked import UnpackedTar

        start, size = map(int, rest.split(":"))
        self._unpacked = self._unpacked or UnpackedTar(archive, is_kept=True)
        for at in range(start, start + size, _PIECE_BYTES):
            yield self._unpacked.part(at, min(_PIECE_BYTES, start + size - at))

    def _read_zipped(self, archive: RangeFile, rest: str) -> Iterator[bytes]:
        """Yield a member of a zip archive; never more than its directory says."""
        header_at, packed, size, method, crc = map(int, rest.split(":"))
        archive.ahead = min(_LOCAL_HEADER_BYTES + _GAP_BYTES + packed, BLOCK_BYTES)
        header = archive.part(header_at, _LOCAL_HEADER_BYTES)
        if len(header) < _LOCAL_HEADER_BYTES or header[:4] != b"PK\x03\x04":
            raise RecordingError(BAD, "its header is damaged")
        start = header_at + _LOCAL_HEADER_BYTES + sum(struct.unpack("<2H", header[26:30]))
        found_crc = n_found = 0
        pieces = self._pieces(archive, start, packed)
        for piece in _inflated(pieces, size) if method else pieces:
            found_crc, n_found = zlib.crc32(piece, found_crc), n_found + len(piece)
            yield piece
        if (found_crc, n_found) != (crc, size):
            raise RecordingError(BAD, "it is damaged: its checksum differs")

    def _read_row(self, archive: RangeFile, rest: str) -> Iterator[bytes]:
        """Yield the bytes of a row of a Parquet table; `rest` is its group, its number there, and the column."""
        import pyarrow as pa

        group, row, column = rest.split(":", 2)
        key = (int(group), column)
        archive.ahead = BLOCK_BYTES
        try:
            if self._rows is None or self._rows[:2] != key or self._next_row > int(row):
                self._rows, self._next_row = (*key, _cells(archive, *key)), 0
            cells = itertools.islice(self._rows[2], int(row) - self._next_row, None)
            self._next_row = int(row) + 1
            cell = next(cells, None)
            content = cell.as_py() if cell is not None else None
        except (pa.ArrowException, StopIteration) as err:
            self.close()
            raise RecordingError(BAD, f"the table is damaged: {err}") from err
        if content is None:
            raise RecordingError(BAD, "the row has no bytes")
        yield content


def _inflated(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Unpack, and stop where there is more than was announced."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    n_left = size
    try:
        for piece in pieces:
            # A full piece may have more behind it, though nothing is left to be read.
            is_full = False
            while (piece or is_full) and not unpacker.eof:
                unpacked = unpacker.decompress(piece, _PIECE_BYTES)
                piece, is_full = unpacker.unconsumed_tail, len(unpacked) == _PIECE_BYTES
                n_left -= len(unpacked)
                if n_left < 0:
                    raise RecordingError(BAD, "it unpacks to more than its directory says")
                yield unpacked
                if not unpacked and not piece:
                    break
    except zlib.error as err:
        raise RecordingError(BAD, f"it is damaged: {err}") from err


def _cells(archive: RangeFile, group: int, column: str) -> Iterator[Any]:
    import pyarrow.parquet as pq

    table = pq.ParquetFile(archive.stream(), pre_buffer=False, buffer_size=_PIECE_BYTES)
    with contextlib.closing(table):
        for batch in table.iter_batches(row_groups=[group], columns=[column], batch_size=_ROWS_AT_ONCE):
            values = batch.column(0)
            yield from values.field("bytes") if column.endswith(".bytes") and "." in column else values


_READERS: Final[dict[str, Callable[[MemberReader, RangeFile, str], Iterator[bytes]]]] = {
    "range": MemberReader._read_range,
    "unpacked": MemberReader._read_unpacked,
    "zip": MemberReader._read_zipped,
    "row": MemberReader._read_row,
}
