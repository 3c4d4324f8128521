"""The registry of storage schemes, and what reads it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emosense.errors import ModelError, OutputError
from emosense.models.model_files import read_model
from emosense.registry import Registry
from emosense.storage import schemes
from emosense.storage.locations import absolute_location, is_within, local_path, real_location
from emosense.storage.schemes import SCHEMES, Scheme, is_url, scheme_of
from emosense.storage.writing import write_bytes


def test_a_scheme_whose_package_is_missing_names_its_install_command() -> None:
    wanted = {name: scheme for name, scheme in SCHEMES.items() if scheme.package}
    script = f"""
import importlib.machinery
missing = {sorted({scheme.package for scheme in wanted.values()})}
finder = importlib.machinery.PathFinder
real = finder.find_spec
finder.find_spec = lambda name, *_: None if name.partition(".")[0] in missing else real(name, *_)
from emosense.errors import UsageError
from emosense.storage.objects import filesystem
for name in {list(wanted)}:
    try:
        filesystem(f"{{name}}://owner/place/x")
    except UsageError as err:
        print(err)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == [
        f"cannot open {name}:// locations: install its driver with: {scheme.install_command}"
        for name, scheme in wanted.items()
    ]


@pytest.mark.parametrize("name", [name for name, scheme in SCHEMES.items() if scheme.is_read_only])
def test_what_cannot_be_written_is_refused_and_no_model_is_read_from_there(name: str) -> None:
    with pytest.raises(OutputError, match=f"{name}:// locations are read-only"):
        write_bytes(f"{name.upper()}://127.0.0.1/x", b"")
    with pytest.raises(ModelError, match="models are not fetched from"):
        read_model(f"{name}://127.0.0.1/model")


def test_a_scheme_is_added_through_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    known: Registry[Scheme] = Registry("storage scheme")
    known.register("tape", Scheme("a tape library", package="tapefs", is_read_only=True))
    monkeypatch.setattr(schemes, "SCHEMES", known)
    assert schemes.schemes_by_package()["tapefs"][1] == "tape://"
    with pytest.raises(OutputError, match="tape:// locations are read-only"):
        write_bytes("tape://a/b", b"")


def test_an_unregistered_scheme_is_object_storage_and_a_path_is_this_machine() -> None:
    assert scheme_of("bogus://x").transport == "objects"
    assert scheme_of("C:/x").transport == scheme_of("a::b").transport == scheme_of("File:///x").transport == "path"
    assert [is_url(name) for name in ("s3://b", "FILE:///x", "C:/x", "a::b", "://x", "3s://x")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///a b#1", "/a b#1"),
        ("LOCAL:///x", "/x"),
        ("file://x/y", "file://x/y"),
        ("file://localhost/x", "/x"),
        ("s3://b", "s3://b"),
        ("x", "x"),
    ],
)
def test_a_file_url_with_an_absolute_path_is_that_path(url: str, path: str) -> None:
    assert local_path(url) == path


def test_names_of_the_same_place_have_one_real_location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    names = ["real/x", "./real/../real/x", "link/x", f"file://{tmp_path}/link/x", f"{tmp_path}/real/x/"]
    assert {real_location(name) for name in names} == {os.path.realpath("real/x")}
    assert {real_location(name) for name in ("S3://b/k", "s3://b/k", "s3://b/k/")} == {"s3://b/k"}
    assert real_location("s3://b/K") != real_location("s3://b/k")
    assert absolute_location("link/x") == f"{tmp_path}/link/x"
    assert absolute_location("s3://b/k/") == "s3://b/k"


def test_a_location_is_within_its_folder_whatever_links_lead_there(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert is_within(f"{tmp_path}/link/x", f"{tmp_path}/real")
    assert is_within(f"{tmp_path}/real", f"file://{tmp_path}/link")
    assert not is_within(f"{tmp_path}/real2", f"{tmp_path}/real")
    assert is_within("s3://b/run/part", "S3://b/run/")
    assert not is_within("s3://b/runs", "s3://b/run")
