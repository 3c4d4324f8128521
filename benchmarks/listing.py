"""Listing a bucket: memory and rate for ten million objects under one prefix, and the rate of questions about objects.

    python benchmarks/listing.py -o docs/benchmarks/listing.md

A server on the loopback interface answers as S3 and Azure do, in pages of a thousand, for keys that it makes up; every
request takes at least as long as one to a real store. The drivers are the real ones: s3fs, and gcsfs and adlfs if they
are installed. Only for ten million objects, the drivers' answers are made up without a server: s3fs takes 90 ms of CPU
to parse a page, and gcsfs first asks for the kind of the bucket in another protocol.

Memory is compared with that of the same driver for a thousand objects: what grows is what the number of objects costs.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import importlib.util
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

import processes
from tables import machine, markdown, write

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties

LATENCY_S = 0.02
PAGE = 1000
LIMIT_MB = 60
ENTRY = (
    "<Contents><Key>{prefix}{number:08d}.wav</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    "<ETag>&quot;{number:032x}&quot;</ETag><Size>355000</Size><StorageClass>STANDARD</StorageClass></Contents>"
)
BLOB = (
    "<Blob><Name>{prefix}{number:08d}.wav</Name><Properties>"
    "<Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified><Etag>{number:032x}</Etag>"
    "<Content-Length>355000</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
)


class Store(http.server.BaseHTTPRequestHandler):
    """Answers what asks for pages and for objects; ``s3://flat/10000000/`` has ten million objects."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        time.sleep(LATENCY_S)
        if not self.path.endswith(".wav"):
            self._send(404, b"")
            return
        self.send_response(200)
        self.send_header("Content-Length", "355000")
        self.send_header("ETag", '"0"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()

    def do_GET(self) -> None:
        time.sleep(LATENCY_S)
        url = urllib.parse.urlsplit(self.path)
        request = {name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()}
        if url.path.startswith("/azure/"):
            self._azure(request)
            return
        bucket, prefix = url.path.strip("/"), request.get("prefix", "")
        start = int(request.get("continuation-token", 0))
        n_objects, _, folder = prefix.partition("/")
        total = int(n_objects or 0)
        if bucket == "folders" and not folder:
            body, end = self._folders(prefix, start, total // PAGE)
        else:
            total = total if bucket == "flat" else PAGE
            end = min(start + min(PAGE, int(request.get("max-keys", PAGE))), total)
            body = "".join(ENTRY.format(prefix=prefix, number=number) for number in range(start, end))
            end = 0 if end == total else end
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{end}</NextContinuationToken>"
        more = more if end else "<IsTruncated>false</IsTruncated>"
        self._send(200, f"<ListBucketResult><Name>{bucket}</Name>{more}{body}</ListBucketResult>".encode())

    def _azure(self, request: dict[str, str]) -> None:
        prefix, start = request.get("prefix", ""), int(request.get("marker") or 0)
        total = int(prefix.partition("/")[0])
        end = min(start + min(PAGE, int(request.get("maxresults", PAGE))), total)
        blobs = "".join(BLOB.format(prefix=prefix, number=number) for number in range(start, end))
        more = f"<NextMarker>{end if end < total else ''}</NextMarker>"
        head = '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="flat">'
        self._send(200, f"{head}<Blobs>{blobs}</Blobs>{more}</EnumerationResults>".encode())

    def _folders(self, prefix: str, start: int, total: int) -> tuple[str, int]:
        end = min(start + PAGE, total)
        names = (f"<CommonPrefixes><Prefix>{prefix}{n:06d}/</Prefix></CommonPrefixes>" for n in range(start, end))
        return "".join(names), 0 if end == total else end

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def google_object(prefix: str, number: int) -> dict[str, str]:
    return {"name": f"{prefix}{number:08d}.wav", "size": "355000", "etag": f"{number:032x}"}


def serve() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    print(server.server_address[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    server.serve_forever()


def list_objects(location: str, limit: int | None) -> None:
    """List a prefix, or look at all objects of a text file, and say how many there were, in which time and memory."""
    from emosense.inputs.listing import Listing
    from emosense.inputs.listing_config import ListingConfig
    from emosense.inputs.path_table import is_table, names_in_table

    start_s = time.perf_counter()
    with Listing() as listing:
        if is_table(location):
            listing.add_names(names_in_table(location), ListingConfig())
            listing.look_up()
        else:
            listing.add_input(location, ListingConfig(), limit)
        listed_s = time.perf_counter() - start_s
        n_listed = sum(1 for _ in listing)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(n_listed, f"{listed_s:.2f} {peak_mb:.1f}", file=sys.stderr)


def make_up_pages() -> None:
    """Have the drivers of S3 and of Google answer without a server."""
    import s3fs

    s3fs.S3FileSystem.call_s3 = s3_page
    s3fs.S3FileSystem.info = lambda _, path: {"name": path, "type": "directory"}
    if has_driver("gcsfs"):
        import gcsfs

        gcsfs.GCSFileSystem.call = google_page
        gcsfs.GCSFileSystem.info = s3fs.S3FileSystem.info
    if has_driver("adlfs"):
        import adlfs

        adlfs.AzureBlobFileSystem.do_connect = lambda fs: setattr(fs, "service_client", AzureContainer())
        adlfs.AzureBlobFileSystem.info = s3fs.S3FileSystem.info


def s3_page(_: object, __: str, *, Prefix: str, ContinuationToken: str = "0", **___: str) -> dict[str, object]:  # noqa: N803
    start, total = int(ContinuationToken), int(Prefix.partition("/")[0])
    end = min(start + PAGE, total)
    contents = [
        {"Key": f"{Prefix}{number:08d}.wav", "Size": 355_000, "ETag": f'"{number:032x}"'}
        for number in range(start, end)
    ]
    return {"Contents": contents, "IsTruncated": end < total, "NextContinuationToken": str(end)}


class AzureContainer:
    """What adlfs asks of Azure's client: a container, its blobs, their pages."""

    continuation_token = ""

    def get_container_client(self, **_: str) -> AzureContainer:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def close(self) -> None:
        pass

    def walk_blobs(self, prefix: str, **_: object) -> Self:
        self._prefix, self._total = prefix, int(prefix.partition("/")[0])
        return self

    def by_page(self, token: str | None) -> Self:
        self._start = int(token or 0)
        return self

    async def __anext__(self) -> AsyncIterator[BlobProperties]:
        end = min(self._start + PAGE, self._total)
        self.continuation_token = str(end) if end < self._total else ""
        return self._blobs(range(self._start, end))

    async def _blobs(self, numbers: range) -> AsyncIterator[BlobProperties]:
        from azure.storage.blob import BlobProperties

        for number in numbers:
            yield BlobProperties(
                **{"name": f"{self._prefix}{number:08d}.wav", "Content-Length": 355_000, "ETag": f"{number:032x}"}
            )


def google_page(_: object, *__: str, prefix: str, **further: object) -> dict[str, object]:
    start, total = int(str(further.get("pageToken", 0))), int(prefix.partition("/")[0])
    end = min(start + PAGE, total)
    items = [google_object(prefix, number) for number in range(start, end)]
    return {"items": items} | ({"nextPageToken": str(end)} if end < total else {})


def has_driver(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@functools.cache
def measure(location: str, *options: str) -> tuple[int, float, float, float]:
    """Return the number of objects, seconds, CPU seconds and the peak of the memory in MB."""
    usage = processes.run([sys.executable, __file__, "--list", location, *options])
    found = re.search(r"^(\d+) ([\d.]+) ([\d.]+)$", usage.stderr, re.MULTILINE)
    if usage.exit_code or found is None:
        raise SystemExit(usage.stderr)
    return int(found[1]), float(found[2]), usage.cpu_s, float(found[3])


def rows(n_objects: int, n_looked_at: int, scratch: Path) -> list[tuple[str, ...]]:
    names = scratch / "names.txt"
    names.write_text("".join(f"s3://flat/{number:08d}.wav\n" for number in range(n_looked_at)))
    few = PAGE
    # What is listed, and the same for a thousand objects.
    cases = {
        "S3, pages made up": (f"s3://flat/{n_objects}", f"s3://flat/{few}", "--made-up"),
        "Google, pages made up": (f"gs://flat/{n_objects}", f"gs://flat/{few}", "--made-up"),
        "Azure, pages made up": (f"az://flat/{n_objects}", f"az://flat/{few}", "--made-up"),
        "S3": (f"s3://flat/{10 * n_looked_at}", f"s3://flat/{few}"),
        "Azure": (f"az://flat/{10 * n_looked_at}", f"az://flat/{few}"),
        "S3, `--limit 10`": (f"s3://flat/{n_objects}", f"s3://flat/{few}", "--limit", "10"),
        f"S3, folders of {PAGE:,}": (f"s3://folders/{10 * n_looked_at}", f"s3://flat/{few}"),
        "a list of URLs: one HEAD each": (str(names), f"s3://flat/{few}"),
    }
    drivers = {"gs": "gcsfs", "az": "adlfs"}
    found = []
    for name, (location, base, *options) in cases.items():
        if not has_driver(drivers.get(location.partition(":")[0], "s3fs")):
            continue
        least_mb = measure(base, *options)[-1]
        count, wall_s, cpu_s, peak_mb = measure(location, *options)
        grown_mb = peak_mb - least_mb
        found.append(
            (name, f"{count:,}", f"{wall_s:.1f}", f"{count / wall_s:,.0f}", f"{cpu_s:.1f}", f"{least_mb:.1f}",
             f"{peak_mb:.1f}", f"{grown_mb:.1f}", "met" if grown_mb <= LIMIT_MB else "MISSED")
        )  # fmt: skip
        print(*found[-1], file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", help="Markdown file (default: standard output)")
    parser.add_argument("--objects", type=int, default=10_000_000)
    parser.add_argument("--looked-at", type=int, default=20_000, help="URLs of the list")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--list", help=argparse.SUPPRESS)
    parser.add_argument("--made-up", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve()
        return
    if args.list:
        if args.made_up:
            make_up_pages()
        list_objects(args.list, args.limit)
        return
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout is not None
    port = int(server.stdout.readline())
    os.environ |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "none",
                   "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1",
                   "FSSPEC_GS_TOKEN": "anon",
                   "AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=http;AccountName=azure;AccountKey=bm8=;"
                                                      f"BlobEndpoint=http://127.0.0.1:{port}/azure;"}  # fmt: skip
    try:
        with tempfile.TemporaryDirectory() as scratch:
            found = rows(args.objects, args.looked_at, Path(scratch))
    finally:
        server.kill()
        server.wait()
    heads = ("what is listed", "objects", "wall s", "objects/s", "CPU s", f"MB for {PAGE:,}", "MB", "growth, MB",
             f"<= {LIMIT_MB} MB")  # fmt: skip
    text = f"A store on the loopback interface, {1e3 * LATENCY_S:.0f} ms a request; {machine()}"
    write(args.output, "listing", f"{text}\n\n{markdown(heads, found)}")


if __name__ == "__main__":
    main()
