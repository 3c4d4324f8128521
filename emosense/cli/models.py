"""`emosense-batch models`: list, show and verify models."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from emosense.cli.options import EncoderFile, print_message

models = typer.Typer(help="List, show and verify models.", no_args_is_help=True, rich_markup_mode=None)
Location = Annotated[str, typer.Argument(help="Name of a shipped model, a directory, or a URL in object storage.")]


@models.command("list")
def list_models() -> None:
    """List the models that ship with EmoSense."""
    from emosense.models.model import read_model, shipped_models

    for name, folder in shipped_models().items():
        description = read_model(folder).description
        scores = ", ".join(f"UAR {score['uar']:.1%} ({score['protocol']})" for score in description["scores"])
        print(f"{name}\t{description['name']} {description['version']}\t{scores}")  # noqa: T201 - the result itself


@models.command()
def show(model: Location = "default") -> None:
    """Print the description of a model as JSON, without the statistics of its features."""
    from emosense.models.model import read_model

    description = {key: value for key, value in read_model(model).description.items() if key != "feature_statistics"}
    print(json.dumps(description, indent=2))  # noqa: T201 - the result itself


@models.command()
def verify(model: Location = "default", encoder: EncoderFile = "") -> None:
    """Check a model against its description, run it once, and print the digest that identifies it in runs."""
    from emosense.models.encoder_location import with_encoder_file
    from emosense.models.model import read_model
    from emosense.models.trial import try_model

    files = with_encoder_file(read_model(model), encoder)
    print_message(f"{model}: verified, probabilities sum to {try_model(files):.6f}")
    print_message(f"digest of settings and weights: {files.sha256}")
