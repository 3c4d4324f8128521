"""The file formats that the decoders read: how files of each are named, how they start, and who reads them.

This is the only list of them. Finding recordings, recognising them, and what FFmpeg may open follow from it.
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
    FileFormat("AC-3", (".ac3", ".eac3", ".ec3"), (b"\x0b\x77",), ("ac3", "eac3")),
    FileFormat("AMR", (".amr", ".awb"), (b"#!AMR\n", b"#!AMR-WB\n"), ("amr",)),
    FileFormat("Monkey's Audio", (".ape",), (b"MAC ",), ("ape",)),
    FileFormat("WavPack", (".wv",), (b"wvpk",), ("wv",)),
    FileFormat("TTA", (".tta",), (b"TTA1",), ("tta",)),
)  # fmt: skip

# Samples or frames without a header: only the name says what they are, and nothing says their sample rate for sure.
_HEADERLESS: Final = {
    ".sln": "Asterisk's signed linear samples", ".slin": "Asterisk's signed linear samples", ".raw": "raw samples",
    ".pcm": "raw samples", ".s16": "raw samples", ".ul": "raw mu-law samples", ".ulaw": "raw mu-law samples",
    ".pcmu": "raw mu-law samples", ".mulaw": "raw mu-law samples", ".al": "raw A-law samples",
    ".alaw": "raw A-law samples", ".pcma": "raw A-law samples", ".vox": "Dialogic ADPCM", ".gsm": "GSM frames",
    ".g722": "G.722", ".g723": "G.723", ".g726": "G.726", ".g729": "G.729", ".ilbc": "iLBC",
}  # fmt: skip

AUDIO_EXTENSIONS: Final = frozenset(extension for each in FORMATS for extension in each.extensions)
STARTS: Final = tuple(start for each in FORMATS for start in each.starts)
# FFmpeg also reads playlists, which open other files and URLs, and pictures and subtitles. Only these are allowed.
DEMUXERS: Final = ",".join(demuxer for each in FORMATS for demuxer in each.demuxers)


def headerless(name: str) -> str | None:
    """Return what samples or frames without a header are, by the name of their file.

    Parameters
    ----------
    name : str
        Name or path of a file.

    Returns
    -------
    str or None
        None if the name does not say.
    """
    extension = os.path.splitext(name)[1].lower()
    # Asterisk names its files by rate, as in .sln16.
    return _HEADERLESS.get(re.sub(r"(?<=sln)\d+$", "", extension))
