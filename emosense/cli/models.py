"""`emosense-batch models`: list, show and verify models."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from emosense.cli.completion import shipped_model
from emosense.cli.groups import Command
from emosense.cli.options import (
    Address,
    Cache,
    Data,
    EncoderFile,
    FollowLinks,
    ModelFolder,
    ModelName,
    ProgressMode,
    ProgressOption,
    Quiet,
    Root,
    print_message,
)

models = typer.Typer(
    help="List, show and verify models; learn what is familiar to one.", no_args_is_help=True, rich_markup_mode=None
)
Location = Annotated[
    str,
    typer.Argument(
        autocompletion=shipped_model, help="Name of a shipped model, a directory, or a URL in object storage."
    ),
]


@models.command("list", cls=Command)
def list_models() -> None:
    """List the models that ship with EmoSense."""
    from emosense.models.compared import HEADS, MEANING, compared_scores, score_cells
    from emosense.models.model_files import read_model, shipped_models

    scores = compared_scores()
    rows = [("model", "version", *HEADS)]
    for name, folder in shipped_models().items():
        rows.append((name, read_model(folder).description["version"], *score_cells(scores[name])))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        texts = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), row[1].ljust(widths[1]), *texts]))  # noqa: T201 - the result itself
    print_message(MEANING)


@models.command(cls=Command)
def show(model: Location = "default") -> None:
    """Print the description of a model as JSON. A shipped one has `compared`, its scores by the protocols of `list`."""
    from emosense.models.compared import compared_scores
    from emosense.models.model_files import read_model

    files = read_model(model)
    compared = {"compared": scores} if (scores := compared_scores().get(model)) else {}
    print(json.dumps(files.description | compared, indent=2))  # noqa: T201 - the result itself


@models.command(cls=Command)
def verify(model: Location = "default", encoder: EncoderFile = "") -> None:
    """Check a model against its description and run it once. It prints the digest that identifies it in runs."""
    from emosense.models.encoder_location import with_encoder_file
    from emosense.models.model_files import read_model
    from emosense.models.trial import try_model

    files = with_encoder_file(read_model(model), encoder)
    print_message(f"{model}: verified, probabilities sum to {try_model(files):.6f}")
    print_message(f"digest of settings and weights: {files.sha256}")


@models.command(cls=Command)
def familiarity(
    data: Data,
    output: ModelFolder,
    model: ModelName = "default",
    encoder: EncoderFile = "",
    follow_links: FollowLinks = False,
    root: Root = "",
    cache: Cache = None,
    address: Address = None,
    overwrite: Annotated[bool, typer.Option(help="Overwrite an existing model.")] = False,
    progress: ProgressOption = ProgressMode.auto,
    quiet: Quiet = False,
) -> None:
    """Teach a model which recordings are familiar. It learns from the data that the model was trained on.

    Its labels stay the same. The columns `unfamiliar` and `distance` come from what it learns here; `train` does this
    for every new model.
    """
    from emosense.features.encoder.files import default_cache
    from emosense.progress import open_progress
    from emosense.training.familiarity.job import FamiliarityJob, add_familiarity
    from emosense.training.features.source import FeatureSource

    place = cache or default_cache()
    source = FeatureSource(data[0], place, address, more=tuple(data[1:]), follow_links=follow_links, root=root)
    with open_progress("none" if quiet else progress.value) as reporter:
        learned = add_familiarity(FamiliarityJob(source, model, output, encoder, overwrite), reporter)
    if not quiet:
        print_message(f"{output}: {learned}")
