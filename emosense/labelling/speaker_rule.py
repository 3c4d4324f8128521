"""The option ``--speakers``: how the speaker of a recording is found."""

from __future__ import annotations

import dataclasses
import re
from typing import Final

from emosense.errors import UsageError
from emosense.storage.locations import redact

_REGEX: Final = "regex:"


@dataclasses.dataclass(frozen=True, slots=True)
class SpeakerRule:
    """How the speaker of a recording is found.

    Parameters
    ----------
    text : str
        ``parent``: the folder of the recording. ``channel``: the channel, within that folder; channels are split.
        ``regex:PATTERN``: the first group of the pattern, searched for in the path. Otherwise the location of a table,
        .csv or .parquet, with the columns ``path`` (as labelled, or relative to the table), ``speaker`` and, where
        channels are split, perhaps ``channel``.
    root : str
        Folder or URL that relative paths in the table begin at; empty for its own folder.

    Raises
    ------
    UsageError
        If the text is none of the four.
    """

    text: str
    root: str = ""

    def __post_init__(self) -> None:
        """Refuse a text that is none of the four."""
        if self.is_pattern:
            try:
                n_groups = re.compile(self.pattern).groups
            except re.error as err:
                raise UsageError(f"--speakers {self.text}: {err}") from err
            if not n_groups:
                raise UsageError(
                    f"--speakers {self.text} has no group that names the speaker: put what differs between speakers in "
                    r"parentheses, as in regex:spk(\d+)_"
                )
        elif self.text not in ("parent", "channel") and not self.is_table:
            raise UsageError(
                f"--speakers takes parent, channel, regex:PATTERN, or a .csv or .parquet table with path and speaker, "
                f"not {redact(self.text)}"
            )

    @property
    def is_channel(self) -> bool:
        """Whether each channel of the recordings of a folder is one speaker."""
        return self.text == "channel"

    @property
    def is_pattern(self) -> bool:
        """Whether a part of the path is the speaker."""
        return self.text.startswith(_REGEX)

    @property
    def pattern(self) -> str:
        """The regular expression of ``regex:PATTERN``."""
        return self.text.removeprefix(_REGEX)

    @property
    def is_table(self) -> bool:
        """Whether a table gives the speakers."""
        return not self.is_pattern and self.text.lower().endswith((".csv", ".parquet"))

    @property
    def redacted(self) -> str:
        """The text without credentials."""
        return self.text if self.is_pattern else redact(self.text)
