"""Which Ray is joined, and which is started, again if need be."""

from __future__ import annotations

import pytest

from emosense.errors import StorageError
from emosense.ray_session import cluster_address, ray_session


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


@pytest.mark.parametrize("n_failures", [0, 2])
def test_a_ray_that_starts_too_slowly_is_started_again(monkeypatch: pytest.MonkeyPatch, n_failures: int) -> None:
    import ray

    starts: list[dict[str, object]] = []

    def init(**settings: object) -> None:
        starts.append(settings)
        if len(starts) <= n_failures:
            raise Exception("The current node timed out during startup.\nLook at the logs.")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with ray_session("local", 2) as n_cpus:
        assert n_cpus == 2
    assert len(starts) == n_failures + 1


def test_a_ray_that_never_starts_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def init(**_: object) -> None:
        raise Exception("The current node timed out during startup.\nLook at the logs.")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    expected = r"^Ray did not start on this machine, 3 times, the last time with: The current node timed out [^\n]*$"
    with pytest.raises(StorageError, match=expected), ray_session("local", 1):
        pass


def test_a_cluster_of_another_version_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def init(**_: object) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.50.0\n    Python: 3.10.1\n")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    for name in ("_check_reachable", "_refuses_token"):
        monkeypatch.setattr(f"emosense.ray_session.session.{name}", lambda address: False)
    expected = r"^the Ray cluster at head:6379 does not accept .*started with: Ray: 2\.50\.0 Python: 3\.10\.1$"
    with pytest.raises(StorageError, match=expected), ray_session("head:6379"):
        pass
