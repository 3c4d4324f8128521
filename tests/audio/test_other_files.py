"""Archives, mail, databases, documents and programs with a recording inside are no recordings, whatever their name."""

from __future__ import annotations

import email.message
import functools
import gzip
import io
import lzma
import mailbox
import pickle
import sqlite3
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import bad_audio
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from decoded import decoded

INSIDE: dict[str, Callable[[], bytes]] = {
    "cbr.mp3": lambda: bad_audio.mp3(3.0, xing=False),
    "vbr.mp3": lambda: bad_audio.mp3(3.0, quality=4),
    "call.wav": lambda: bad_audio.wav(1.0),
    "call.flac": lambda: bad_audio.encoded("FLAC", "PCM_16"),
    "call.ogg": lambda: bad_audio.encoded("OGG", "VORBIS"),
    "call.m4a": lambda: bad_audio.ffmpeg("ipod", "aac"),
}
INSIDE = {name: functools.cache(make) for name, make in INSIDE.items()}


def _zip(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def _tar(kind: int) -> Callable[[str, bytes], bytes]:
    def make(name: str, content: bytes) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
            for member in (f"ID3{name}", f"b{name}"):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return buffer.getvalue()

    return make


def _old_tar(name: str, content: bytes) -> bytes:
    header = bytearray(512)
    fields = ((0, name.encode()), (100, b"0000644\0"), (124, b"%011o\0" % len(content)), (148, b" " * 8))
    for place, text in fields:
        header[place : place + len(text)] = text
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content + bytes(-len(content) % 512 + 1024)


def _cpio(name: str, content: bytes) -> bytes:
    fields = (1, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return header + bytes(-len(header) % 4) + content


def _ar(name: str, content: bytes) -> bytes:
    return b"!<arch>\n" + f"{name:16}{0:<12}{0:<6}{0:<6}{644:<8}{len(content):<10}`\n".encode() + content


def _sqlite(name: str, content: bytes) -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE message (name TEXT, voice BLOB)")
        database.execute("INSERT INTO message VALUES (?, ?)", (name, content))
        return database.serialize()


def _gnu_database(name: str, content: bytes) -> bytes:
    return struct.pack("<I", 0x13579ACE) + bytes(4092) + name.encode() + content


def _mail(encoding: str) -> Callable[[str, bytes], bytes]:
    def make(name: str, content: bytes) -> bytes:
        head = (
            "Return-Path: <a@example.org>\r\nDelivered-To: b@example.org\r\nSubject: voice message\r\n"
            f"MIME-Version: 1.0\r\nContent-Type: audio/mpeg; name={name}\r\n"
            f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
        )
        if encoding == "binary":
            return head.encode() + content
        message = email.message.EmailMessage()
        message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "voice message"
        message.add_attachment(content, maintype="audio", subtype="mpeg", filename=name)
        return message.as_bytes()

    return make


def _mbox(name: str, content: bytes) -> bytes:
    return b"From a@example.org Thu Nov 26 10:00:00 2026\nSubject: voice\n\n" + content + name.encode()


def _numpy(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.frombuffer(content + name.encode(), np.uint8))
    return buffer.getvalue()


def _parquet(name: str, content: bytes) -> bytes:
    sink = pyarrow.BufferOutputStream()
    table = pyarrow.table({"name": [name], "voice": [content]})
    pyarrow.parquet.write_table(table, sink, compression="none", use_dictionary=False)
    return sink.getvalue().to_pybytes()


def _arrow(name: str, content: bytes) -> bytes:
    sink = pyarrow.BufferOutputStream()
    table = pyarrow.table({"name": [name], "voice": [content]})
    with pyarrow.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _after(head: bytes, size: int = 512) -> Callable[[str, bytes], bytes]:
    return lambda name, content: head + bytes(max(0, size - len(head))) + content + name.encode()


def _pages(name: str, content: bytes) -> bytes:
    """A database that nobody knows: pages of 4 KiB with a header of 16 bytes each."""
    pages = [content[i : i + 4080] for i in range(0, len(content), 4080)]
    first = b"\x07some database" + name.encode()
    return first + bytes(4096 - len(first)) + b"".join(struct.pack("<QQ", i, 7) + page for i, page in enumerate(pages))


KINDS: dict[str, tuple[str, Callable[[str, bytes], bytes]]] = {
    "zip": ("a zip", _zip),
    "zip after a program": ("a program", lambda name, content: b"MZ" + bytes(2000) + _zip(name, content)),
    "zip after something": ("a zip", lambda name, content: b"\7" * 999 + _zip(name, content)),
    "ustar": ("a tar", _tar(tarfile.USTAR_FORMAT)),
    "gnu tar": ("a tar", _tar(tarfile.GNU_FORMAT)),
    "pax tar": ("a tar", _tar(tarfile.PAX_FORMAT)),
    "old tar": ("a tar", _old_tar),
    "cpio": ("a cpio", _cpio),
    "ar": ("an ar", _ar),
    "gzip": ("gzip", lambda name, content: gzip.compress(content, mtime=0)),
    "xz": ("xz", lambda name, content: lzma.compress(content)),
    "7z": ("a 7z", _after(b"7z\xbc\xaf\x27\x1c\0\4")),
    "rar": ("a RAR", _after(b"Rar!\x1a\x07\x01\0")),
    "cabinet": ("a cabinet", _after(b"MSCF\0\0\0\0")),
    "disk image": ("a disk image", lambda name, content: bytes(32_769) + b"CD001\1" + bytes(4090) + content),
    "sqlite": ("an SQLite", _sqlite),
    "gdbm": ("a GDBM", _gnu_database),
    "lmdb": ("an LMDB", _after(bytes(16) + b"\xde\xc0\xef\xbe", 8192)),
    "access": ("an Access", _after(b"\0\1\0\0Standard ACE DB\0", 4096)),
    "hdf5": ("an HDF5", _after(b"\x89HDF\r\n\x1a\n", 2048)),
    "unknown database": ("no known", _pages),
    "parquet": ("a Parquet", _parquet),
    "arrow": ("an Arrow", _arrow),
    "numpy": ("a NumPy", _numpy),
    "pickle 2": ("pickled", lambda name, content: pickle.dumps({name: content}, 2)),
    "pickle 5": ("pickled", lambda name, content: pickle.dumps({name: content}, 5)),
    "mail, 8 bit": ("mail", _mail("binary")),
    "mail, base64": ("mail", _mail("base64")),
    "mailbox": ("a mailbox", _mbox),
    "outlook message": ("an Office", _after(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")),
    "outlook mailbox": ("an Outlook", _after(b"!BDN")),
    "web archive": ("a web", _after(b"WARC/1.0\r\nWARC-Type: response\r\n\r\n", 0)),
    "pdf": ("a PDF", _after(b"%PDF-1.7\n")),
    "rtf": ("an RTF", _after(b"{\\rtf1\\ansi", 0)),
    "elf": ("a program", _after(b"\x7fELF\2\1\1")),
    "mach-o": ("a program", _after(b"\xcf\xfa\xed\xfe")),
    "flash": ("a Flash", _after(b"FWS\x09")),
    "script": ("a script", _after(b"#!/bin/sh\ntail -c +99 $0\nexit\n", 0)),
    "picture": ("a picture", _after(b"\xff\xd8\xff\xe1\0\x10Exif\0\0")),
    "webp": ("a picture", _after(b"RIFF\0\0\1\0WEBPVP8 ")),
    "heic": ("a picture", _after(b"\0\0\0\x18ftypheic\0\0\0\0")),
    "captured traffic": ("captured", _after(b"\xd4\xc3\xb2\xa1\2\0\4\0")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_holds_a_recording_is_no_recording(kind: str, tmp_path: Path) -> None:
    what, make = KINDS[kind]
    for name, inside in INSIDE.items():
        path = tmp_path / f"{kind}.mp3"
        path.write_bytes(make(name, inside()))
        row = decoded(path)
        assert (row.status, row.code) == ("error", "not_audio"), (name, row)
        assert row.error.startswith(f"the content is not audio: {what}"), name


def test_the_kinds_of_other_files_are_counted(record_property: Callable[[str, object], None]) -> None:
    record_property("recordings inside of other files, tried and not_audio", len(KINDS) * len(INSIDE))
    record_property("formats that no decoder reads, tried and named", len(UNREAD))
    assert (len(KINDS), len(UNREAD)) >= (40, 18)


def test_a_mailbox_of_the_standard_library_is_no_recording(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "voice.mp3")
    message = email.message.EmailMessage()
    message["Subject"] = "voice"
    message.add_attachment(bad_audio.mp3(), maintype="audio", subtype="mpeg", filename="voice.mp3")
    box.add(message)
    box.close()
    assert decoded(tmp_path / "voice.mp3").code == "not_audio"


@pytest.mark.parametrize("lead", [b"\0" * 700, b"ICY 200 OK\r\nicy-name: radio\r\n\r\n", bad_audio.noise(1000)])
def test_frames_after_a_few_bytes_of_something_else_are_a_recording(lead: bytes, tmp_path: Path) -> None:
    path = tmp_path / "radio.mp3"
    path.write_bytes(lead + bad_audio.mp3(3.0, xing=False))
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(3.0, abs=0.15))


UNREAD = {
    "SILK": b"\x02#!SILK_V3", "SILK, plain": b"#!SILK_V3", "DSS": b"\x02dss", "DSS, newer": b"\x03dss",
    "DS2": b"\x03ds2",
    "DS2, encrypted": b"\x03enc", "RealAudio": b".ra\xfd\0\4", "RealAudio, in RealMedia": b".RMF\0\0\0\x12",
    "QCP": b"RIFF\0\1\0\0QLCMfmt ", "EVRC": b"#!EVRC\n", "Musepack": b"MPCKSH", "DSD": b"DSD \x1c\0\0\0",
    "TAK": b"tBaK",
    "Shorten": b"ajkg\2", "DTS": b"\x7f\xfe\x80\x01", "Audible": b"\0\0\1\0\x57\x90\x75\x36", "ATRAC": b"ea3\3",
    "NIST SPHERE compressed with Shorten":
        b"NIST_1A\n   1024\nsample_count -i 16000\nsample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n",
}  # fmt: skip


@pytest.mark.parametrize("name", UNREAD)
def test_formats_that_no_decoder_reads_are_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "dictation.wav"
    path.write_bytes(UNREAD[name] + bad_audio.noise(4000))
    row = decoded(path)
    assert (row.status, row.code) == ("error", "unsupported_encoding")
    assert name.split(",")[0] in row.error


@pytest.mark.parametrize("extension", [".sln", ".SLN16", ".raw", ".ulaw", ".vox", ".gsm", ".g722", ".g729"])
def test_samples_without_a_header_are_named_by_their_ending(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"call{extension}"
    path.write_bytes(bytes(8) + bad_audio.pcm16(bad_audio.voice()))
    row = decoded(path)
    assert (row.status, row.code) == ("error", "unsupported_encoding")
    assert "without a header" in row.error
    # The content comes first: a page, zeros and a recording are what they are.
    path.write_bytes(b"<html>404</html>")
    assert decoded(path).code == "not_audio"
    path.write_bytes(bytes(9000))
    assert decoded(path).code == "not_audio"
    path.write_bytes(bad_audio.wav())
    assert decoded(path).status == "ok"


@pytest.mark.parametrize(
    ("name", "code", "what"),
    [
        ("formats_named_not_audio/asterisk.sln", "unsupported_encoding", "Asterisk"),
        ("archives/calls.zip", "not_audio", "a zip archive"),
        ("archives/db.sqlite", "not_audio", "an SQLite database"),
        ("archives/mp3s.tar", "not_audio", "a tar archive"),
        ("formats_named_not_audio/olympus.ds2", "unsupported_encoding", "DS2"),
        ("formats_named_not_audio/real.ra", "unsupported_encoding", "RealAudio"),
        ("formats_named_not_audio/rtf.wav", "not_audio", "an RTF document"),
    ],
)
def test_the_cases_are_told_what_they_are(name: str, code: str, what: str, cases: Path) -> None:
    row = decoded(cases / name)
    assert row.code == code
    assert what in row.error
