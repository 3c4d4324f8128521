"""A member of an archive -> its bytes, in a file; what lies behind it is read ahead if it is wanted next."""

from __future__ import annotations

import errno
import itertools
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from emosense.errors import RecordingError
from emosense.inputs.archive import BAD
from emosense.inputs.parquet_cells import cells_of
from emosense.storage.ranges import BLOCK_BYTES, RangeFile
from emosense.storage.temporary import faults_of_temporary

if TYPE_CHECKING:
    from emosense.inputs.recording import Recording
    from emosense.inputs.unpacked import UnpackedTar

_PIECE_BYTES: Final = 1 << 20
# Padding and the header of the next member, or its directory entry.
_GAP_BYTES: Final = 1 << 16
_LOCAL_HEADER_BYTES: Final = 30
# Only a local header says how long its name is; a longer one costs another request.
_NAME_BYTES: Final = 1 << 12


class MemberReader:
    """Reads members of archives; keeps the last archive open, since the next member is mostly in the same one."""

    def __init__(self) -> None:
        self._file: RangeFile | None = None
        # Where the stretch ends that is wanted as a whole, by archive and place, and of the member that is being read.
        self._ends: dict[tuple[str, str], int] = {}
        self._wanted_to = 0
        self._rows: tuple[int, str, Iterator[Any]] | None = None
        self._next_row = 0
        self._unpacked: UnpackedTar | None = None

    def expect(self, recordings: Iterable[Recording]) -> None:
        """Say what is read next, so that members that lie behind each other are fetched together, and nothing else is.

        Parameters
        ----------
        recordings : iterable of Recording
            In the order in which they will be read; those that are no members are passed over.
        """
        self._ends = {}
        stretch: list[tuple[str, str]] = []
        location, end = "", 0
        for each in recordings:
            extent = _extent(each.member)
            if extent is None:
                continue
            if each.location != location or not 0 <= extent[0] - end <= _GAP_BYTES:
                self._ends |= dict.fromkeys(stretch, end)
                stretch = []
            location, end = each.location, extent[1]
            stretch.append((location, each.member))
        self._ends |= dict.fromkeys(stretch, end)

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
            self._wanted_to = self._ends.get((location, place), 0)
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
        self._file, self._rows, self._unpacked = None, None, None

    def _opened(self, location: str, version: str) -> RangeFile:
        if self._file is None or self._file.location != location:
            self.close()
            found = RangeFile(location, BLOCK_BYTES)
            found.open()
            self._file = found
        if version and self._file.version != version:
            raise OSError(errno.ESTALE, "the archive is another one", location)
        return self._file

    def _read_range(self, archive: RangeFile, rest: str) -> Iterator[bytes]:
        """Yield a member that is stored as it is; `rest` is its first byte and its size."""
        start, size = map(int, rest.split(":"))
        archive.ahead_to = max(self._wanted_to, start + size)
        return _pieces(archive, start, size)

    def _read_unpacked(self, archive: RangeFile, rest: str) -> Iterator[bytes]:
        """Yield a member of a tar that is compressed as a whole, which is unpacked once, as far as it is needed."""
        from emosense.inputs.unpacked import UnpackedTar

        start, size = map(int, rest.split(":"))
        self._unpacked = self._unpacked or UnpackedTar(archive, is_kept=True)
        return _pieces(self._unpacked, start, size)

    def _read_zipped(self, archive: RangeFile, rest: str) -> Iterator[bytes]:
        """Yield a member of a zip archive; never more than its directory says."""
        header_at, packed, size, method, crc = map(int, rest.split(":"))
        archive.ahead_to = max(self._wanted_to, header_at + _LOCAL_HEADER_BYTES + packed) + _NAME_BYTES
        header = archive.part(header_at, _LOCAL_HEADER_BYTES)
        if len(header) < _LOCAL_HEADER_BYTES or header[:4] != b"PK\x03\x04":
            raise RecordingError(BAD, "its header is damaged")
        start = header_at + _LOCAL_HEADER_BYTES + sum(struct.unpack("<2H", header[26:30]))
        found_crc = n_found = 0
        pieces = _pieces(archive, start, packed)
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
        try:
            if self._rows is None or self._rows[:2] != key or self._next_row > int(row):
                self._rows, self._next_row = (*key, cells_of(archive, *key)), 0
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


def _pieces(archive: RangeFile | UnpackedTar, start: int, size: int) -> Iterator[bytes]:
    """Yield a part of an archive, piece by piece."""
    for at in range(start, start + size, _PIECE_BYTES):
        piece = archive.part(at, min(_PIECE_BYTES, start + size - at))
        if len(piece) < min(_PIECE_BYTES, start + size - at):
            raise RecordingError(BAD, "the archive ends in the middle of it")
        yield piece


def _extent(place: str) -> tuple[int, int] | None:
    """Return where the bytes of a member begin and end in its archive, if its place says so."""
    kind, _, rest = place.partition(":")
    if kind == "range":
        start, size = map(int, rest.split(":"))
        return start, start + size
    if kind == "zip":
        header_at, packed, *_ = map(int, rest.split(":"))
        return header_at, header_at + _LOCAL_HEADER_BYTES + packed
    return None


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


_READERS: Final[dict[str, Callable[[MemberReader, RangeFile, str], Iterator[bytes]]]] = {
    "range": MemberReader._read_range,
    "unpacked": MemberReader._read_unpacked,
    "zip": MemberReader._read_zipped,
    "row": MemberReader._read_row,
}
