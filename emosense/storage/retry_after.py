"""How long a server asks to wait before the next try (RFC 9110, 10.2.3)."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from email.message import Message


def retry_after_s(headers: Mapping[str, str] | Message) -> float:
    """Return the seconds that a server asks to wait, given as a number or a date.

    Parameters
    ----------
    headers : mapping of str to str
        Headers of its answer; names in any case.

    Returns
    -------
    float
        0 if it does not ask; below 0 for a date that is over.
    """
    value = headers.get("Retry-After") or ""
    if value.isdecimal():
        return float(value)
    try:
        return email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return 0.0
