"""Uploads that replace only the object that was seen, as each kind of store takes the condition.

| store | what changes with an object | the condition of an upload |
|---|---|---|
| Amazon S3 and compatible stores | ETag | ``If-None-Match: *``, ``If-Match`` |
| Google Cloud Storage | generation | ``ifGenerationMatch``, 0 for nothing |
| Azure Blob Storage | ETag | ``If-None-Match: *``, ``If-Match`` |

Drivers know the condition for a new object (``mode="create"``). That for a replaced one is sent here. Objects over
64 MiB are uploaded in pieces, and the store compares when it puts them together.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable
from typing import Any, Final

from emosense.storage.schemes import scheme_of

_PIECE_BYTES: Final = 1 << 26
_S3_REFUSALS: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
# S3, for an object that should be replaced and is gone.
_S3_GONE: Final = frozenset({"NoSuchKey", "404"})
# What Azure answers to If-Match and to If-None-Match.
_AZURE_REFUSALS: Final = frozenset({412, 409})


@dataclasses.dataclass(frozen=True, slots=True)
class Conditions:
    """How one kind of store compares an object with what was seen.

    Parameters
    ----------
    key : str
        Name of what changes with an object in the driver's information about it.
    replace : callable
        Takes file system, local file, path of the object and what was seen, and uploads the file.
    is_refused : callable
        Takes an error and whether an object was to be replaced: whether the store has found something else.
    is_unknown : callable
        Takes an error: whether the store does not know conditions.
    """

    key: str
    replace: Callable[[Any, str, str, str], None]
    is_refused: Callable[[Exception, bool], bool]
    is_unknown: Callable[[Exception], bool] = lambda _: False

    def put(self, fs: Any, file: str, path: str, seen: str | None) -> None:
        """Upload a file if the object is still what was seen.

        Parameters
        ----------
        fs : fsspec file system
            Of the store.
        file : str
            Local path.
        path : str
            Path of the object in the file system.
        seen : str or None
            What may be replaced; None for nothing.
        """
        if seen is None:
            fs.put_file(file, path, mode="create")
        else:
            self.replace(fs, file, path, seen)


def conditions_of(location: str) -> Conditions | None:
    """Return how the store of a location compares.

    Parameters
    ----------
    location : str
        URL.

    Returns
    -------
    Conditions or None
        None if it cannot.
    """
    return _CONDITIONS.get(scheme_of(location).package)


def _replace_in_s3(fs: Any, file: str, path: str, seen: str) -> None:
    if os.path.getsize(file) <= _PIECE_BYTES:
        fs.put_file(file, path, IfMatch=seen)
        return
    bucket, key, _ = fs.split_path(path)
    place = {"Bucket": bucket, "Key": key}
    upload = {**place, "UploadId": fs.call_s3("create_multipart_upload", **place)["UploadId"]}
    parts: list[dict[str, Any]] = []
    try:
        with open(file, "rb") as source:
            while block := source.read(_PIECE_BYTES):
                number = len(parts) + 1
                answer = fs.call_s3("upload_part", **upload, PartNumber=number, Body=block)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        fs.call_s3("complete_multipart_upload", **upload, MultipartUpload={"Parts": parts}, IfMatch=seen)
    except BaseException:
        # Pieces are kept, and paid for, until somebody ends the upload.
        with contextlib.suppress(Exception):
            fs.call_s3("abort_multipart_upload", **upload)
        raise


def _s3_code(err: Exception) -> str:
    """Return the error code of an S3 store; empty for another error."""
    response = getattr(err.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _is_refused_by_s3(err: Exception, is_replaced: bool) -> bool:
    return _s3_code(err) in (_S3_REFUSALS | _S3_GONE if is_replaced else _S3_REFUSALS)


def _replace_in_gcs(fs: Any, file: str, path: str, seen: str) -> None:
    bucket, key, _ = fs.split_path(path)
    place = f"{fs.base.replace('/storage/v1/', '/upload/storage/v1/')}b/{bucket}/o"
    headers, _ = fs.call("POST", place, uploadType="resumable", name=key, ifGenerationMatch=seen, json={"name": key})
    n_bytes, n_sent = os.path.getsize(file), 0
    with open(file, "rb") as source:
        while True:
            source.seek(n_sent)
            block = source.read(_PIECE_BYTES)
            span = f"{n_sent}-{n_sent + len(block) - 1}" if block else "*"
            answer, _ = fs.call(
                "POST", headers["Location"], headers={"Content-Range": f"bytes {span}/{n_bytes}"}, data=block
            )
            # The store may have kept fewer bytes than were sent.
            n_sent = int(answer["Range"].rpartition("-")[2]) + 1 if "Range" in answer else n_sent + len(block)
            if n_sent >= n_bytes:
                return


def _is_refused_by_gcs(err: Exception, _is_replaced: bool) -> bool:
    # What the driver makes of status 412.
    return isinstance(err, FileExistsError)


def _replace_in_azure(fs: Any, file: str, path: str, seen: str) -> None:
    from azure.core import MatchConditions  # type: ignore[import-not-found, unused-ignore]

    fs.put_file(file, path, etag=seen, match_condition=MatchConditions.IfNotModified)


def _is_refused_by_azure(err: Exception, _is_replaced: bool) -> bool:
    return isinstance(err, FileExistsError) or getattr(err, "status_code", None) in _AZURE_REFUSALS


# By the package that opens the store.
_CONDITIONS: Final[dict[str, Conditions]] = {
    "s3fs": Conditions(
        "ETag", _replace_in_s3, _is_refused_by_s3, lambda err: _s3_code(err) in ("NotImplemented", "501")
    ),
    "gcsfs": Conditions("generation", _replace_in_gcs, _is_refused_by_gcs),
    "adlfs": Conditions("etag", _replace_in_azure, _is_refused_by_azure),
}
