"""Locations as tables show them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emosense.errors import UsageError
from emosense.labelling.job import LabelJob
from emosense.labelling.job_check import check_job
from emosense.storage.locations import absolute_location, check_object_name, shown_location
from emosense.storage.objects import filesystem
from emosense.storage.schemes import driver_url, scheme_of
from emosense.storage.writing import write_bytes

S3 = "X-Amz-Algorithm=AWS4&X-Amz-Credential={0}%2F2026&X-Amz-Date={0}&X-Amz-Expires=60&X-Amz-Signature={0}"
SIGNATURES = [
    S3,
    "X-Goog-Algorithm=GOOG4&X-Goog-Credential={0}&X-Goog-Date={0}&X-Goog-SignedHeaders=host&X-Goog-Signature={0}",
    "Expires={0}&Signature={0}&Key-Pair-Id={0}",
    "AWSAccessKeyId={0}&Signature={0}&Expires={0}",
    "Policy={0}&Signature={0}&Key-Pair-Id={0}",
    "sp=r&st={0}&se={0}&spr=https&sv=2024-11-04&sr=b&sig={0}",
]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_signed_url_is_the_same_place_with_another_signature(signature: str) -> None:
    for number in ("1", "22"):
        signed = f"https://b.example/a%20b.wav?versionId=7&{signature.format(number)}"
        assert shown_location(signed) == "https://b.example/a%20b.wav?versionId=7"
        assert shown_location(f"https://b.example/a.wav?{signature.format(number)}") == "https://b.example/a.wav"


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("a.wav?X-Amz-Signature=1&x=2", "a.wav?X-Amz-Signature=***&x=2"),  # the name of a local file
        ("https://h/a.wav?token=1&n=2", "https://h/a.wav?token=***&n=2"),
        ("https://user:word@h/a.wav", "https://***@h/a.wav"),
        ("wasbs://calls@account.blob.core.windows.net/a.wav", "wasbs://calls@account.blob.core.windows.net/a.wav"),
        ("abfss://user:word@account/a.wav", "abfss://***@account/a.wav"),
        ("https://h/a.wav?sp=1", "https://h/a.wav?sp=1"),
    ],
)
def test_other_urls_keep_their_parameters(location: str, shown: str) -> None:
    assert shown_location(location) == shown


@pytest.mark.parametrize("scheme", ["az", "abfs", "abfss", "wasb", "wasbs"])
def test_every_scheme_of_azure_says_what_to_install(scheme: str) -> None:
    assert scheme_of(f"{scheme}://c@a.dfs.core.windows.net/x").install_command == "pip install 'emosense[azure]'"


@pytest.mark.parametrize("scheme", ["az", "abfs", "abfss", "wasb", "wasbs", "WASBS"])
def test_the_driver_of_azure_gets_every_scheme_as_its_own(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Driver:
        def __init__(self, use_listings_cache: bool, account: str) -> None:
            self.account = account

        @staticmethod
        def _get_kwargs_from_urls(url: str) -> dict[str, str]:
            return {"account": url.partition("@")[2].partition(".")[0]}

        @staticmethod
        def _strip_protocol(url: str) -> str:
            container, path = re.fullmatch(r"abfs://(.*)@[^/]*/(.*)", url).groups()
            return f"{container}/{path}"

    monkeypatch.setattr("fsspec.get_filesystem_class", {"abfs": Driver}.__getitem__)
    fs, path = filesystem(f"{scheme}://box@account.blob.core.windows.net/calls/a.wav")
    assert (fs.account, path) == ("account", "box/calls/a.wav")


def test_other_schemes_reach_their_driver_as_they_are() -> None:
    assert driver_url("s3a://Bucket/A b") == "s3a://Bucket/A b"
    assert driver_url("GS://bucket/x") == "gs://bucket/x"
    assert driver_url("other://host/x") == "other://host/x"


def test_a_working_directory_that_was_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert absolute_location("/tmp/x") == "/tmp/x"
    with pytest.raises(UsageError, match="the working directory was removed"):
        absolute_location("x.csv")


@pytest.mark.parametrize(
    "url",
    ["s3://", "s3:///x.csv", "s3://b", "s3://b/", "s3://b//", "s3://b/../x.csv", "gs://b/./x.csv", "abfs://b//x.csv",
     "s3://b/a/../../x.csv", "gcs://b/a/.."],
)  # fmt: skip
def test_an_object_whose_name_means_several_places_is_not_written(url: str) -> None:
    for write in (check_object_name, lambda place: write_bytes(place, b"")):
        with pytest.raises(UsageError, match=r"it has no|a step of its path"):
            write(url)
    with pytest.raises(UsageError, match=r"it has no|a step of its path|cannot tell the format"):
        check_job(LabelJob(("in",), url if url.endswith((".csv", "/")) else f"{url}/../x.csv"))


@pytest.mark.parametrize(
    "place", ["s3://b/x.csv", "s3://b/a/..b/...csv/", "other:///a/../x.csv", "../x.csv", "file:///a/../b", "x", ""]
)
def test_other_names_are_left_to_the_store(place: str) -> None:
    check_object_name(place)


def test_hadoop_without_its_library_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyarrow.have_libhdfs", lambda: False)
    with pytest.raises(UsageError, match="set HADOOP_HOME, JAVA_HOME and CLASSPATH"):
        filesystem("hdfs://host/calls")
