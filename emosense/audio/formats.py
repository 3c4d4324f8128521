"""The file formats of recordings: how files of each are named, how they start, and who reads them.

This is the only list of them. Finding recordings, recognising them, and what FFmpeg may open follow from it. A format
that no decoder here reads is in it as well, so that its files have rows that name it.
"""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Final


@dataclasses.dataclass(frozen=True, slots=True)
class FileFormat:
    """A file format.

    Parameters
    ----------
    name : str
        As people call it.
    extensions : tuple of str
        Name endings, in lower case, that files of this format have.
    starts : tuple of bytes
        What files of this format start with; empty if it takes more than that to recognise one.
    demuxers : tuple of str
        FFmpeg's names for it; empty if only libsndfile reads it.
    """

    name: str
    extensions: tuple[str, ...]
    starts: tuple[bytes, ...]
    demuxers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class UnreadFormat:
    """A format of recordings that no decoder here reads. Its name helps to find one that does.

    Parameters
    ----------
    name : str
        As people call it.
    extensions : tuple of str
        Name endings, in lower case, that only files of this format have.
    start : bytes
        Regular expression of what files of this format start with; empty if nothing tells.
    """

    name: str
    extensions: tuple[str, ...]
    start: bytes = b""


FORMATS: Final = (
    FileFormat("WAV", (".wav", ".wave", ".bwf", ".rf64"), (b"RIFF", b"RIFX", b"RF64"), ("wav",)),
    FileFormat("Wave64", (".w64",), (b"riff",), ("w64",)),
    FileFormat("AIFF", (".aif", ".aiff", ".aifc"), (b"FORM",), ("aiff",)),
    FileFormat("AU", (".au", ".snd"), (b".snd",), ("au",)),
    FileFormat("CAF", (".caf",), (b"caff",), ("caf",)),
    FileFormat("FLAC", (".flac",), (b"fLaC",), ("flac",)),
    FileFormat("Ogg", (".ogg", ".oga", ".ogv", ".ogx", ".opus", ".spx"), (b"OggS",), ("ogg",)),
    FileFormat("MPEG audio", (".mp3", ".mp2", ".mp1", ".mpa", ".m2a"), (b"ID3",), ("mp3",)),
    FileFormat("NIST SPHERE", (".sph", ".nist"), (b"NIST",)),
    FileFormat("VOC", (".voc",), (b"Creative Voice File",)),
    FileFormat("8SVX", (".svx", ".8svx"), (b"FORM",)),
    FileFormat("PARIS", (".paf",), (b" paf", b"fap ")),
    FileFormat("AVR", (".avr",), (b"2BIT",)),
    FileFormat("PVF", (".pvf",), (b"PVF1",)),
    FileFormat("IRCAM", (".sf", ".ircam"), (b"\x64\xa3", b"\0\0\xa3\x64", b"\0\1\xa3\x64", b"\0\2\xa3\x64")),
    FileFormat("Psion", (".wve",), (b"ALawSoundFile**",)),
    FileFormat("HTK", (".htk",), ()),
    # The name of a file of matrices says nothing: only --sniff finds those that are sounds.
    FileFormat("MATLAB", (), (b"MATLAB",)),
    FileFormat(
        "MP4 and QuickTime",
        (".m4a", ".mp4", ".m4b", ".m4r", ".m4v", ".mp4a", ".mov", ".qt", ".3gp", ".3gpp", ".3g2", ".3gp2", ".f4a",
         ".f4v"),
        (),
        ("mov", "mp4", "m4a"),
    ),
    FileFormat("Matroska and WebM", (".mkv", ".mka", ".webm", ".weba"), (b"\x1aE\xdf\xa3",), ("matroska", "webm")),
    FileFormat("ASF (Windows Media)", (".wma", ".asf", ".wmv"), (b"0&\xb2u\x8ef\xcf\x11",), ("asf",)),
    FileFormat("AVI", (".avi",), (b"RIFF",), ("avi",)),
    FileFormat("Flash video", (".flv",), (b"FLV\x01",), ("flv",)),
    FileFormat("MPEG transport stream", (".ts", ".m2ts", ".mts"), (), ("mpegts",)),
    FileFormat("MPEG program stream", (".mpg", ".mpeg", ".vob"), (b"\0\0\1\xba",), ("mpeg",)),
    FileFormat("AAC", (".aac", ".adts"), (b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9"), ("aac",)),
    FileFormat("AAC in LATM", (".loas", ".latm"), (), ("loas",)),
    FileFormat("AC-3", (".ac3", ".eac3", ".ec3"), (b"\x0b\x77",), ("ac3", "eac3")),
    FileFormat("AMR", (".amr", ".awb"), (b"#!AMR\n", b"#!AMR-WB\n"), ("amr",)),
    FileFormat("Monkey's Audio", (".ape",), (b"MAC ",), ("ape",)),
    FileFormat("WavPack", (".wv",), (b"wvpk",), ("wv",)),
    FileFormat("TTA", (".tta",), (b"TTA1",), ("tta",)),
)  # fmt: skip

UNREAD_FORMATS: Final = (
    UnreadFormat("SILK, as of WeChat and QQ", (".silk",), rb"\x02?#!SILK"),
    UnreadFormat("DSS, of a dictation machine", (".dss",), rb"[\x01-\x0f]dss"),
    UnreadFormat("DS2, of a dictation machine", (".ds2",), rb"[\x01-\x0f](?:ds2|enc)"),
    UnreadFormat("DVF or MSV, of a Sony dictation machine", (".dvf", ".msv"), rb"MS_VOICE"),
    UnreadFormat("RealAudio", (".ra", ".rm", ".rmvb"), rb"\.ra\xfd|\.RMF"),
    UnreadFormat("QCP, of a phone", (".qcp",), rb"RIFF....QLCM"),
    UnreadFormat("EVRC, SMV or QCELP, of a phone", (".evrc", ".smv"), rb"#!(?:EVRC|SMV|QCELP)"),
    UnreadFormat("AMR of several channels", (), rb"#!AMR[^\n]{0,8}_MC"),
    UnreadFormat("Musepack", (".mpc",), rb"MPCK|MP\+"),
    UnreadFormat("DSD", (".dsf", ".dff"), rb"DSD |FRM8"),
    UnreadFormat("OptimFROG", (".ofr",), rb"OFR "),
    UnreadFormat("TAK", (".tak",), rb"tBaK"),
    UnreadFormat("Shorten", (".shn",), rb"ajkg"),
    UnreadFormat("TwinVQ", (".vqf",), rb"TWIN"),
    UnreadFormat("ATRAC", (".oma", ".aa3", ".at3"), rb"[Ee][Aa]3[\x01-\x04]"),
    UnreadFormat("Audible", (".aa",), rb"....\x57\x90\x75\x36"),
    UnreadFormat("Codec 2", (".c2",), rb"\xc0\xde\xc2"),
    UnreadFormat("DTS", (".dts", ".dtshd"), rb"\x7f\xfe\x80\x01|\xfe\x7f\x01\x80|DTSHDHDR"),
    UnreadFormat("AC-4", (".ac4",), rb"\xac[\x40\x41]"),
    UnreadFormat("AAC with an ADIF header", (), rb"ADIF"),
    UnreadFormat("NIST SPHERE compressed with Shorten", (), rb"NIST.{12,1020}embedded-shorten"),
    UnreadFormat("protected MP4, of a shop", (".m4p", ".aax", ".aaxc")),
)
# Samples or frames without a header: only the name says what they are, and nothing says their sample rate for sure.
_HEADERLESS: Final = {
    ".sln": "Asterisk's signed linear samples", ".slin": "Asterisk's signed linear samples", ".raw": "raw samples",
    ".pcm": "raw samples", ".s16": "raw samples", ".ul": "raw mu-law samples", ".ulaw": "raw mu-law samples",
    ".pcmu": "raw mu-law samples", ".mulaw": "raw mu-law samples", ".al": "raw A-law samples",
    ".alaw": "raw A-law samples", ".pcma": "raw A-law samples", ".vox": "Dialogic ADPCM", ".gsm": "GSM frames",
    ".g722": "G.722", ".g723": "G.723", ".g726": "G.726", ".g729": "G.729", ".ilbc": "iLBC",
}  # fmt: skip

# What other files are called as well: camera pictures, programs, assembler.
_NOT_ONLY_SAMPLES: Final = frozenset({".raw", ".al", ".ul", ".s16"})

AUDIO_EXTENSIONS: Final = frozenset(extension for each in FORMATS for extension in each.extensions)
_UNREAD_NAMES: Final = {extension: each.name for each in UNREAD_FORMATS for extension in each.extensions}
_LISTED: Final = AUDIO_EXTENSIONS | _UNREAD_NAMES.keys() | (_HEADERLESS.keys() - _NOT_ONLY_SAMPLES)
# Endings that files of text have too: TypeScript, alignments of genomes, vocabularies, meanings of sentences, surveys;
# and those of formats that are not read: .sln is a solution of Visual Studio, .dts a device tree.
_ALSO_TEXT: Final = frozenset({".ts", ".mts", ".paf", ".voc", ".amr", ".sf", ".sph", ".svx"}) | (
    _LISTED - AUDIO_EXTENSIONS
)
STARTS: Final = tuple(start for each in FORMATS for start in each.starts)
# FFmpeg also reads playlists, which open other files and URLs, and pictures and subtitles. Only these are allowed.
DEMUXERS: Final = ",".join(demuxer for each in FORMATS for demuxer in each.demuxers)


def is_recording_name(name: str) -> bool:
    """Return whether a file is one of recordings, by its name.

    Parameters
    ----------
    name : str
        Name or path of a file.

    Returns
    -------
    bool
        True also for formats that no decoder reads.
    """
    return _extension(name) in _LISTED


def may_be_text(name: str) -> bool:
    """Return whether files of text have the ending of a name as well as recordings.

    Parameters
    ----------
    name : str
        Name or path of a file.

    Returns
    -------
    bool
    """
    return _extension(name) in _ALSO_TEXT


def unread_by_name(name: str) -> str | None:
    """Return why no decoder reads a file, as far as its name says.

    Parameters
    ----------
    name : str
        Name or path of a file.

    Returns
    -------
    str or None
        What it is, and what to do about it; None if the name does not say.
    """
    extension = _extension(name)
    if extension in _UNREAD_NAMES:
        return f"no decoder for this format: {_UNREAD_NAMES[extension]}, by its name"
    samples = _HEADERLESS.get(extension)
    return f"{samples} without a header: convert them to WAV, with the sample rate that they have" if samples else None


def _extension(name: str) -> str:
    # Asterisk names its files by rate, as in .sln16.
    return re.sub(r"(?<=\.sln)\d+$", "", os.path.splitext(name)[1].lower())
