"""Folders of Google Cloud Storage and Azure, a page at a time, from stand-ins for what their drivers call."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from emosense.storage.folder_pages import folder_pages

KEYS = ["in/a-b.wav", "in/a.wav", "in/a/y/1.flac", "in/b/", "in/b/1.wav", "in/c.wav", "in/d/2.wav", "other/x.wav"]
ENTRIES = [("in/a-b.wav", "file"), ("in/a.wav", "file"), ("in/a", "directory"), ("in/b", "directory"),
           ("in/c.wav", "file"), ("in/d", "directory")]  # fmt: skip
PAGE = 2


def below(prefix: str) -> list[str]:
    names = [key[len(prefix) :] for key in KEYS if key.startswith(prefix)]
    return sorted({prefix + (name[: name.find("/") + 1] or name) for name in names})


class Storage:
    """What both drivers have; counts the pages that are asked for."""

    version_aware = False

    def __init__(self) -> None:
        self.n_pages, self.broken_page = 0, 0

    def split_path(self, path: str) -> tuple[str, str, None]:
        bucket, _, key = path.partition("/")
        return bucket, key, None

    def page(self, prefix: str, token: str | None) -> tuple[list[str], str]:
        self.n_pages += 1
        if self.n_pages == self.broken_page:
            raise OSError("503")
        names, start = below(prefix), int(token or 0)
        return names[start : start + PAGE], str(start + PAGE) if start + PAGE < len(names) else ""


class Google(Storage):
    """Answers as gcsfs gives the JSON of the service."""

    protocol = ("gs", "gcs")

    def call(self, *path: str, prefix: str, **further: Any) -> dict[str, Any]:
        assert path == ("GET", "b/{}/o", "bucket")
        names, following = self.page(prefix, further.get("pageToken"))
        items = [{"name": name, "size": str(len(name)), "etag": "e"} for name in names if not name.endswith("/")]
        found = {"prefixes": [name for name in names if name.endswith("/")], "items": items, "nextPageToken": following}
        return {key: value for key, value in found.items() if value}


class Blob(dict[str, Any]):
    """A blob has what it has as attributes and as keys."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


class Azure(Storage):
    """Answers as the client of adlfs gives pages, on a loop of its own; lists folders of a Data Lake twice."""

    protocol = "abfs"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop, self.service_client = loop, self

    @contextlib.asynccontextmanager
    async def get_container_client(self, container: str) -> AsyncIterator[Azure]:
        assert container == "bucket"
        yield self

    def walk_blobs(self, prefix: str, **_: Any) -> Blob:
        return Blob(by_page=lambda token: AzurePages(self, prefix, token))


class AzurePages:
    """One page, and the token of the next."""

    def __init__(self, storage: Azure, prefix: str, token: str | None) -> None:
        self.storage, self.prefix, self.token, self.continuation_token = storage, prefix, token, ""

    async def __anext__(self) -> AsyncIterator[Blob]:
        names, self.continuation_token = self.storage.page(self.prefix, self.token)

        async def blobs() -> AsyncIterator[Blob]:
            for name in names:
                if name.endswith("/"):
                    yield Blob(name=name)
                    yield Blob(name=name[:-1], size=0, etag="e", metadata={"hdi_isfolder": "true"})
                else:
                    yield Blob(name=name, size=len(name), etag="e", metadata=None)

        return blobs()


@pytest.fixture(params=["google", "azure"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    monkeypatch.setattr("emosense.storage.objects._RETRY_DELAYS_S", (0.0,))
    if request.param == "google":
        yield Google()
        return
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield Azure(loop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_a_folder_comes_in_pages(storage: Storage) -> None:
    pages = list(folder_pages(storage, "bucket/in", "listing"))
    assert [len(page) for page in pages] == [2, 2, 2]
    entries = [entry for page in pages for entry in page]
    assert [(entry["name"], entry["type"]) for entry in entries] == [(f"bucket/{name}", kind) for name, kind in ENTRIES]
    assert {(entry["size"], entry["etag"]) for entry in entries if entry["name"].endswith("c.wav")} == {(8, "e")}
    assert [entry["name"] for page in folder_pages(storage, "bucket", "listing") for entry in page] == [
        "bucket/in",
        "bucket/other",
    ]


def test_the_next_page_is_asked_for_when_it_is_needed(storage: Storage) -> None:
    next(folder_pages(storage, "bucket/in", "listing"))
    assert storage.n_pages == 1


def test_a_page_that_fails_is_asked_for_again(storage: Storage) -> None:
    storage.broken_page = 2
    assert len([*folder_pages(storage, "bucket/in", "listing")]) == 3
    assert storage.n_pages == 4
