"""`emosense-batch download`."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from emosense.cli.options import ProgressMode, Quiet, Shown
from emosense.errors import UsageError


class PublishedCorpus(enum.StrEnum):
    """Corpora that can be downloaded."""

    ravdess = "ravdess"


def download(
    corpus: Annotated[PublishedCorpus, typer.Argument(metavar="CORPUS", help="Which corpus.")],  # noqa: ARG001 - there is one so far
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Folder to unpack it to.")],
    song: Annotated[
        bool, typer.Option("--song", help="The sung recordings as well, which carry no label here.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="Folder of a mirror, http or https; default: Zenodo record 1188976.")
    ] = None,
    md5: Annotated[
        list[str] | None, typer.Option(help="MD5 sum that a mirror's archive has instead; once for each archive.")
    ] = None,
    progress: Shown = ProgressMode.auto,
    quiet: Quiet = False,
) -> None:
    """Download a corpus, check it by hash and unpack it; given again, the command goes on where it was stopped."""
    from emosense.inputs.download import RAVDESS_SONG, RAVDESS_SPEECH, RAVDESS_URL, DownloadJob
    from emosense.inputs.download import download as run
    from emosense.progress import open_progress

    archives: tuple[tuple[str, str], ...] = (RAVDESS_SPEECH, RAVDESS_SONG) if song else (RAVDESS_SPEECH,)
    if md5:
        if len(md5) != len(archives):
            raise UsageError(f"{len(archives)} archives are fetched, so --md5 is given {len(archives)} times, or never")
        archives = tuple((name, digest.lower()) for (name, _), digest in zip(archives, md5, strict=True))
    with open_progress("none" if quiet else progress.value) as reporter:
        run(DownloadJob(folder, archives, url or RAVDESS_URL), reporter)
