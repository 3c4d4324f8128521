"""The options of `emosense-batch label` for windows, utterances, channels and tracks."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from emosense.cli.completion import one_of
from emosense.cli.groups import WINDOWS


class SegmentBy(enum.StrEnum):
    """What a recording is cut into."""

    window = "window"
    speech = "speech"


SegmentByOption = Annotated[
    SegmentBy,
    typer.Option(
        "--segment-by",
        rich_help_panel=WINDOWS,
        help="Cut recordings into windows of a fixed length, or into utterances, at pauses.",
    ),
]
Window = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        rich_help_panel=WINDOWS,
        help="Length of a window in seconds; default: the model's.",
        show_default=False,
    ),
]
Hop = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        rich_help_panel=WINDOWS,
        help="Seconds from one window to the next; default: the window.",
        show_default=False,
    ),
]
MinSegment = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        rich_help_panel=WINDOWS,
        help="Least length of an utterance in seconds; shorter ones are joined to the next, or get more of the "
        "pause after them. Default: 1.",
        show_default=False,
    ),
]
MaxSegment = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        rich_help_panel=WINDOWS,
        help="Longest length of an utterance in seconds; default: the model's window.",
        show_default=False,
    ),
]
Channels = Annotated[
    str,
    typer.Option(
        metavar="mix|split|first|N",
        rich_help_panel=WINDOWS,
        autocompletion=one_of(("mix", "split", "first")),
        help="mix: one label for all channels that have speech. split: one row per channel. first, or a number "
        "from 1: that channel only.",
    ),
]
Track = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="N",
        rich_help_panel=WINDOWS,
        help="Audio track of a film, from 1; default: the one it marks as default, else the first that can be decoded.",
        show_default=False,
    ),
]
