"""A registry gives its entries by name; an entry of an installed package is imported when it is used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from emosense.errors import UsageError
from emosense.registry import Registry


def test_entries_come_in_the_order_in_which_they_were_registered() -> None:
    registry: Registry[int] = Registry("number")
    for name, value in (("two", 2), ("one", 1)):
        registry.register(name, value)
    assert dict(registry) == {"two": 2, "one": 1}
    assert list(registry) == ["two", "one"]


def test_an_unknown_name_is_a_sentence_that_lists_the_choices() -> None:
    registry: Registry[int] = Registry("number")
    registry.register("one", 1)
    registry.register("two", 2)
    with pytest.raises(UsageError, match="unknown number 'three': choose one of one, two"):
        registry.find("three")
    assert "three" not in registry


def test_a_name_is_given_once() -> None:
    registry: Registry[int] = Registry("number")
    registry.register("one", 1)
    with pytest.raises(ValueError, match="'one' already"):
        registry.register("one", 2)


def test_an_installed_package_adds_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "made_up-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[test.numbers]\nthree = made_up_numbers:THREE\none = made_up_numbers:THREE\n"
    )
    (tmp_path / "made_up_numbers.py").write_text("THREE = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry: Registry[int] = Registry("number", "test.numbers")
    registry.register("one", 1)
    assert registry["one"] == 1
    assert list(registry) == ["one", "three"]
    assert "three" in registry
    assert "made_up_numbers" not in sys.modules
    assert registry.find("three") == 3
    assert dict(registry) == {"one": 1, "three": 3}
