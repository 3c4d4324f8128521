"""Which channels of a recording are labelled: mixed, each on its own, or one of them. People count channels from 1."""

from __future__ import annotations

from typing import Final

from emosense.audio.container_headers import MAX_CHANNELS
from emosense.errors import UsageError

MIX: Final = "mix"
SPLIT: Final = "split"
_FIRST: Final = "first"


def channel_setting(value: str | int) -> str:
    """Check a choice of channels, and write it in one way.

    Parameters
    ----------
    value : str or int
        ``mix``, ``split``, ``first``, or the number of a channel, from 1.

    Returns
    -------
    str
        ``mix``, ``split`` or a number; ``first`` is ``1``.

    Raises
    ------
    UsageError
        If it is none of these.
    """
    text = str(value).strip()
    if text in (MIX, SPLIT):
        return text
    if text == _FIRST:
        return "1"
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MAX_CHANNELS and len(text) < 9):
        raise UsageError(f"the channels must be mix, split, first, or a number from 1 to {MAX_CHANNELS}, not {text!r}")
    return str(int(text))
