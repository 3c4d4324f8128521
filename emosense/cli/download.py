"""`emosense-batch download`."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from emosense.cli.options import ProgressMode, ProgressOption, Quiet
from emosense.errors import UsageError


class PublishedCorpus(enum.StrEnum):
    """Corpora that can be downloaded."""

    ravdess = "ravdess"


def download(
    corpus: Annotated[PublishedCorpus, typer.Argument(metavar="CORPUS", help="Which corpus.")],  # noqa: ARG001 - so far there is only one
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Folder to unpack it into.")],
    song: Annotated[
        bool, typer.Option("--song", help="Download the sung recordings too; EmoSense does not use their labels.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Folder of a mirror, http or https; default: Zenodo record 1188976."),
    ] = None,
    md5: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MD5",
            help="Expected MD5 sum of a mirror's archive; give it once per archive, in the order of download.",
        ),
    ] = None,
    progress: ProgressOption = ProgressMode.auto,
    quiet: Quiet = False,
) -> None:
    """Download a corpus, verify its checksum and unpack it. Run the command again to resume a stopped download."""
    from emosense.inputs.download import RAVDESS_SONG, RAVDESS_SPEECH, RAVDESS_URL, DownloadJob
    from emosense.inputs.download import download as run
    from emosense.progress import open_progress

    archives: tuple[tuple[str, str], ...] = (RAVDESS_SPEECH, RAVDESS_SONG) if song else (RAVDESS_SPEECH,)
    if md5:
        if len(md5) != len(archives):
            raise UsageError(f"give --md5 {len(archives)} times, once per archive, or not at all")
        archives = tuple((name, digest.lower()) for (name, _), digest in zip(archives, md5, strict=True))
    with open_progress("none" if quiet else progress.value) as reporter:
        run(DownloadJob(folder, archives, url or RAVDESS_URL), reporter)
