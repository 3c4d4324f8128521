"""Whether an object arrived as it is stored: what was read is compared with the MD5 sum that the storage states."""

from __future__ import annotations

import base64
import errno
import re
from typing import Any, Final

# Where a stated sum was seen to be none of the content: with KMS keys an etag of S3 only looks like one, and Google
# unpacks what is stored with gzip.
_WITHOUT_MD5: Final[set[str]] = set()


def stated_md5(info: dict[str, Any]) -> str:
    """Return the MD5 sum of an object's content, as far as the storage states one.

    Parameters
    ----------
    info : dict
        What an fsspec driver reports about the object.

    Returns
    -------
    str
        32 hexadecimal digits, or empty: objects that were written in several parts have an etag of another form.
    """
    packed = info.get("md5Hash") or info.get("content_md5")
    if isinstance(packed, str) and re.fullmatch(r"[A-Za-z0-9+/]{22}==", packed):
        return base64.b64decode(packed).hex()
    if isinstance(packed, bytes | bytearray) and len(packed) == 16:
        return packed.hex()
    etag = str(info.get("ETag") or "").strip('"')
    return etag if re.fullmatch("[0-9a-f]{32}", etag) else ""


class Md5Check:
    """Compares the tries to read one object with the sum that the storage states.

    Parameters
    ----------
    url : str
        URL of the object.
    """

    def __init__(self, url: str) -> None:
        self._bucket = "/".join(url.split("/", 3)[:3])
        self._read: set[str] = set()

    def accept(self, stated: str, read: str) -> None:
        """Refuse content of another sum, unless it is the same when it is read again: then the sum is not of it.

        Parameters
        ----------
        stated, read : str
            MD5 sums in hexadecimal digits: the one that `stated_md5` gave, and that of what was read.

        Raises
        ------
        OSError
            EIO, which is worth another try.
        """
        if stated in ("", read) or self._bucket in _WITHOUT_MD5:
            return
        if read in self._read:
            _WITHOUT_MD5.add(self._bucket)
            return
        self._read.add(read)
        raise OSError(errno.EIO, f"what arrived has the MD5 sum {read}, and what is stored {stated}")
