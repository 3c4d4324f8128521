"""Files that are not recordings, though a recording may lie in them: archives, mail, databases, documents, programs.

A file is what its first bytes say. MPEG frames, which have no header, would be found in a copy of an MP3 inside of
anything; so this is asked before anybody looks for them.
"""

from __future__ import annotations

import re
from typing import Final

from emosense.audio.content import Content

_UNPACK: Final = "unpack it first"
_OPEN: Final = f"{_UNPACK}, or use --inside archives"
_SAVE: Final = "save the recordings in it first"
_DOWNLOAD: Final = "as a failed download leaves behind"
# What a file starts with -> what it is, and what to do about it.
_STARTS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"version https://git-lfs", "a git-lfs pointer, not the recording: run git lfs pull"),
    # Archives and compressed files.
    (b"PK\x03\x04", f"a zip archive: {_OPEN}"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"PK\x07\x08", f"a zip archive: {_OPEN}"),
    (b"\x1f\x8b", f"gzip data: {_UNPACK}"),
    (b"\x1f\x9d", f"compressed data: {_UNPACK}"),
    (b"BZh", f"bzip2 data: {_UNPACK}"),
    (b"\xfd7zXZ\0", f"xz data: {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"zstd data: {_UNPACK}"),
    (b"\x04\x22\x4d\x18", f"lz4 data: {_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"a 7z archive: {_UNPACK}"),
    (b"Rar!\x1a\x07", f"a RAR archive: {_UNPACK}"),
    (b"MSCF", f"a cabinet archive: {_UNPACK}"),
    (b"!<arch>\n", f"an ar archive: {_UNPACK}"),
    (b"0707", f"a cpio archive: {_UNPACK}"),
    (b"\xc7\x71", f"a cpio archive: {_UNPACK}"),
    (b"\x71\xc7", f"a cpio archive: {_UNPACK}"),
    (b"xar!", f"a xar archive: {_UNPACK}"),
    (b"\x60\xea", f"an ARJ archive: {_UNPACK}"),
    (b"MSWIM\0", f"a Windows image: {_UNPACK}"),
    (b"hsqs", f"a SquashFS image: {_UNPACK}"),
    (b"SIT!", f"a StuffIt archive: {_UNPACK}"),
    (b"StuffIt", f"a StuffIt archive: {_UNPACK}"),
    (b"\xed\xab\xee\xdb", f"an RPM package: {_UNPACK}"),
    (b"WARC/", f"a web archive: {_SAVE}"),
    (b"ANDROID BACKUP", f"an Android backup: {_UNPACK}"),
    (b"PACK\0\0\0", "a Git pack"),
    (b"QFI\xfb", "a disk image"),
    (b"conectix", "a disk image"),
    (b"KDMV", "a disk image"),
    (b"<<< Oracle VM", "a disk image"),
    # Databases and tables.
    (b"SQLite format 3\0", f"an SQLite database: {_SAVE}"),
    (b"\0\1\0\0Standard ", f"an Access database: {_SAVE}"),
    (b"\x89HDF\r\n\x1a\n", f"an HDF5 file: {_SAVE}"),
    (b"CDF\1", f"a NetCDF file: {_SAVE}"),
    (b"CDF\2", f"a NetCDF file: {_SAVE}"),
    (b"PAR1", f"a Parquet table: {_SAVE}"),
    (b"ARROW1", f"an Arrow table: {_SAVE}"),
    (b"FEA1", f"a Feather table: {_SAVE}"),
    (b"Obj\x01", f"an Avro file: {_SAVE}"),
    (b"ORC", f"an ORC table: {_SAVE}"),
    (b"\x93NUMPY", "a NumPy array: write it as WAV first"),
    (b"REDIS0", f"a Redis database: {_SAVE}"),
    (b"\xce\x9a\x57\x13", "a GDBM database"),
    (b"\x13\x57\x9a\xce", "a GDBM database"),
    (b"!BDN", f"an Outlook mailbox: {_SAVE}"),
    (b"regf", "a Windows registry"),
    (b"ElfFile\0", "a Windows event log"),
    # Documents.
    (b"%PDF-", f"a PDF document: {_SAVE}"),
    (b"%!PS", "a PostScript document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"an Office document or Outlook message: {_SAVE}"),
    (b"{\\rtf", f"an RTF document: {_SAVE}"),
    (b"AT&TFORM", "a DjVu document"),
    (b"bplist0", "an Apple property list"),
    (b"\0\5\x16\7", "the AppleDouble half of a Mac file: label the other half"),
    # Pictures, fonts, notes.
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"II*\0", "a picture"),
    (b"MM\0*", "a picture"),
    (b"8BPS", "a picture"),
    (b"BM", "a picture"),
    (b"\0\0\1\0", "a picture"),
    (b"\0\0\0\x0cjP  ", "a picture"),
    (b"OTTO", "a font"),
    (b"wOF", "a font"),
    (b"MThd", "a MIDI file: it holds notes, no sound"),
    # Programs.
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\xfe\xed\xfa", "a program"),
    (b"\xce\xfa\xed\xfe", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\0asm", "a program"),
    (b"dex\n", "a program"),
    (b"FWS", "a Flash program"),
    (b"CWS", "a Flash program"),
    (b"ZWS", "a Flash program"),
    (b"#!/", "a script"),
    (b"#! /", "a script"),
    # Captured network traffic.
    (b"\xd4\xc3\xb2\xa1", f"captured network traffic: {_SAVE}"),
    (b"\xa1\xb2\xc3\xd4", f"captured network traffic: {_SAVE}"),
    (b"\x4d\x3c\xb2\xa1", f"captured network traffic: {_SAVE}"),
    (b"\n\r\r\n", f"captured network traffic: {_SAVE}"),
    (b"#EXTM3U", "a playlist: label the recordings that it names"),
    (b"[playlist]", "a playlist: label the recordings that it names"),
    (b"BEGIN:V", "a calendar or address book"),
    (b"From ", f"a mailbox: {_SAVE}"),
)
# The same, after white space and a byte order mark.
_TEXT_STARTS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"<", f"an HTML or XML page, {_DOWNLOAD}"),
    (b"{", f"a JSON document, {_DOWNLOAD}"),
    (b"[{", f"a JSON document, {_DOWNLOAD}"),
)
# What lies at another place: position, bytes, what it is.
_INSIDE: Final = (
    (257, b"ustar", f"a tar archive: {_OPEN}"),
    (2, b"-lh", f"an LHA archive: {_UNPACK}"),
    (20, b"\xdc\xa7\xc4\xfd", f"a zoo archive: {_UNPACK}"),
    (14, b"\x1a\x03\0\0\x02\x03\x08\0", f"a StuffIt archive: {_UNPACK}"),
    (16, b"\xde\xc0\xef\xbe", f"an LMDB database: {_SAVE}"),
    (12, b"\x61\x15\x06\0", f"a Berkeley database: {_SAVE}"),
    (12, b"\x62\x31\x05\0", f"a Berkeley database: {_SAVE}"),
    (12, b"\0\x06\x15\x61", f"a Berkeley database: {_SAVE}"),
    (12, b"\0\x05\x31\x62", f"a Berkeley database: {_SAVE}"),
    (4, b"Standard Jet DB", f"an Access database: {_SAVE}"),
    (1080, b"\x53\xef", f"a disk image: {_SAVE}"),
    (510, b"\x55\xaa", f"a disk image: {_SAVE}"),
    (32_769, b"CD001", f"a disk image: {_SAVE}"),
)
# RIFF, IFF and MP4 hold more than sound: a form or brand, and what it is.
_FORMS: Final = {
    b"WEBP": "a picture", b"ACON": "a picture", b"RMID": "a MIDI file: it holds notes, no sound",
    b"sfbk": "a sound font", b"DLS ": "a sound font", b"PAL ": "a palette", b"ILBM": "a picture", b"PBM ": "a picture",
    b"ANIM": "a picture",
}  # fmt: skip
_PICTURE_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis", b"crx ")
# Header lines of mail and of what is stored like it: a name, a colon, text (RFC 5322).
_HEADER_LINES: Final = re.compile(rb"(?:[!-9;-~]+:[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*)+", re.DOTALL)
_MAIL_HEADERS: Final = re.compile(
    rb"^(?:from|to|date|subject|received|return-path|delivered-to|message-id|mime-version|content-type)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_PICKLE: Final = re.compile(rb"\x80(?:[\x04\x05]\x95|[\x02\x03][}\](c])")


def other_kind(content: Content) -> str | None:
    """Return what a file is instead of a recording.

    Parameters
    ----------
    content : Content
        The open file.

    Returns
    -------
    str or None
        What it is, and what to do about it; None if it is nothing that is known here.
    """
    head = content.head
    for start, what in _STARTS:
        if head.startswith(start):
            return what
    text = head.lstrip(b" \t\r\n\xef\xbb\xbf")
    for start, what in _TEXT_STARTS:
        if text.startswith(start):
            return what
    for place, mark, what in _INSIDE:
        if content.at(place, len(mark)) == mark:
            return what
    if _is_old_tar(head):
        return f"a tar archive: {_OPEN}"
    if _is_mail(text):
        return f"mail: {_SAVE}"
    if b"%PDF-" in head[:1024]:
        return f"a PDF document: {_SAVE}"
    if _PICKLE.match(head):
        return f"pickled Python data: {_SAVE}"
    if content.at(content.size - 512, 4) == b"koly":
        return f"a disk image: {_SAVE}"
    if _ends_like_zip(content):
        return f"a zip archive: {_OPEN}"
    return None


def disguised_kind(head: bytes) -> str | None:
    """Return what a file is that starts like a recording and is none: a picture in RIFF, a tar archive of ``ID3.mp3``.

    Parameters
    ----------
    head : bytes
        The first bytes of the file.

    Returns
    -------
    str or None
        What it is; None if it may be a recording.
    """
    if head[257:262] == b"ustar":
        return f"a tar archive: {_OPEN}"
    if head[:4] in (b"RIFF", b"RIFX", b"FORM") and head[8:12] in _FORMS:
        return _FORMS[head[8:12]]
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS:
        return "a picture"
    return None


def _ends_like_zip(content: Content) -> bool:
    """Whether a zip archive follows something else: its last record has the length of a comment up to the end."""
    tail = content.at(max(0, content.size - 66_000), 66_000)
    place = tail.rfind(b"PK\x05\x06")
    record = tail[place : place + 22] if place >= 0 else b""
    return len(record) == 22 and len(tail) - place - 22 == int.from_bytes(record[20:], "little")


def _is_old_tar(head: bytes) -> bool:
    """Whether a header block has the right sum: tar archives from before POSIX have no other mark."""
    block = head[:512]
    total = re.fullmatch(rb"[ \0]*([0-7]{1,7})[ \0]*", block[148:156])
    if total is None or len(block) < 512:
        return False
    return sum(block) - sum(block[148:156]) + 8 * ord(" ") == int(total[1], 8)


def _is_mail(text: bytes) -> bool:
    """Whether text begins with lines of a header, of which two or more are those of mail."""
    lines = _HEADER_LINES.match(text)
    return lines is not None and len(_MAIL_HEADERS.findall(lines[0])) >= 2
