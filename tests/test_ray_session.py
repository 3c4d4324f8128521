"""Which Ray is joined, and which is started."""

from __future__ import annotations

import pytest

from emosense.ray_session import cluster_address


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        (None, None, None),
        (None, "head:6379", "head:6379"),
        ("other:6379", "head:6379", "other:6379"),
        (None, "local", None),
        ("local", "head:6379", None),
    ],
)
def test_local_and_no_address_are_a_ray_of_our_own(
    monkeypatch: pytest.MonkeyPatch, given: str | None, environment: str | None, expected: str | None
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if environment is not None:
        monkeypatch.setenv("RAY_ADDRESS", environment)
    assert cluster_address(given) == expected
