"""A row in a notebook: a player, and a bar for each emotion."""

from __future__ import annotations

import base64
import html
import mimetypes
import os
from typing import Final

from emosense.emotions import EMOTIONS
from emosense.tables.row import Row

# What a notebook keeps in its file for each player.
_MAX_PLAYER_BYTES: Final = 2 << 20
_BAR_PX: Final = 160


def row_html(row: Row) -> str:
    """Write a row as HTML that needs nothing else.

    Parameters
    ----------
    row : Row
        Of a recording or a segment.

    Returns
    -------
    str
        A paragraph for its path, a player for a short local file, and a table of bars, or the reason of an error.
    """
    path = html.escape(row.path)
    if not row.probabilities:
        return f"<p><b>{path}</b><br>{html.escape(row.error_code)}: {html.escape(row.error)}</p>"
    names = (*EMOTIONS, *row.own_emotions)
    bars = "".join(
        f"<tr><td style='text-align:left'>{html.escape(name)}</td><td style='text-align:left'>"
        f"<div style='width:{probability * _BAR_PX:.0f}px;height:.8em;background:#4477aa'></div></td>"
        f"<td>{probability:.0%}</td></tr>"
        for name, probability in sorted(zip(names, row.probabilities, strict=True), key=lambda pair: -pair[1])
        if probability
    )
    return f"<p><b>{path}</b>: {html.escape(row.emotion)}</p>{_player(row)}<table>{bars}</table>"


def _player(row: Row) -> str:
    """Return a player that holds the audio; nothing for a file that is far away, gone or long."""
    try:
        if os.path.getsize(row.path) > _MAX_PLAYER_BYTES:
            return ""
        with open(row.path, "rb") as file:
            content = base64.b64encode(file.read()).decode()
    except (OSError, ValueError):
        return ""
    kind = mimetypes.guess_type(row.path)[0] or "audio/wav"
    fragment = "" if row.start_s is None else f"#t={row.start_s:g},{row.end_s:g}"
    return f"<audio controls src='data:{kind};base64,{content}{fragment}'></audio>"
