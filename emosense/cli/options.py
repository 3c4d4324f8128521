"""Options that several commands share, and how commands write to standard error."""

from __future__ import annotations

import enum
import os
import shlex
import sys
from typing import Annotated, Final

import typer

from emosense.cli.completion import one_of, shipped_model
from emosense.cli.groups import MACHINES, MESSAGES, MODEL, OUTPUT, RECORDINGS
from emosense.features.sets import FEATURE_SETS
from emosense.training.presets import PRESETS


class ProgressMode(enum.StrEnum):
    """How progress is shown."""

    auto = "auto"
    plain = "plain"
    json = "json"
    none = "none"


class Protocol(enum.StrEnum):
    """Ways to split corpora into training and test speakers."""

    lj5 = "lj5"
    eb6 = "eb6"
    loso = "loso"
    kfold = "kfold"
    loco = "loco"
    random = "random"


KINDS: Final = tuple(dict.fromkeys(preset.settings.kind for preset in PRESETS.values()))
TensorBoard = Annotated[
    str,
    typer.Option(
        metavar="FOLDER", rich_help_panel=OUTPUT, help="Also write every epoch to event files of TensorBoard here."
    ),
]
Mlflow = Annotated[
    str,
    typer.Option(metavar="URL", rich_help_panel=OUTPUT, help="Also log every epoch to this MLflow tracking server."),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "-j",
        "--workers",
        min=1,
        metavar="N",
        rich_help_panel=MACHINES,
        help="Number of worker processes; default: one per CPU.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        rich_help_panel=MACHINES,
        help="Run on the Ray cluster at this address; default: RAY_ADDRESS, otherwise this machine.",
    ),
]
ProgressOption = Annotated[
    ProgressMode,
    typer.Option(
        "--progress",
        rich_help_panel=MESSAGES,
        help="How to show progress on standard error. json: one object per line; the final summary or error is "
        "plain text.",
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", rich_help_panel=MESSAGES, help="Print only errors.")]
DATA_HELP: Final = (
    "RAVDESS folder or URL, or a table (.csv, .parquet) with the columns path, emotion and speaker; several are taken "
    "together. Or one feature table."
)
Data = Annotated[list[str], typer.Argument(help=DATA_HELP)]
ModelFolder = Annotated[
    str,
    typer.Option("-o", "--output", metavar="FOLDER", rich_help_panel=OUTPUT, help="Directory to write the model to."),
]
FollowLinks = Annotated[
    bool, typer.Option(rich_help_panel=RECORDINGS, help="Follow symbolic links that lead out of the folder.")
]
Root = Annotated[
    str,
    typer.Option(
        metavar="FOLDER",
        rich_help_panel=RECORDINGS,
        help="Folder or URL that relative paths in tables and lists begin at; default: the folder of the table.",
        show_default=False,
    ),
]
Cache = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        rich_help_panel=RECORDINGS,
        help="Folder for extracted features; default: EMOSENSE_CACHE, otherwise ~/.cache/emosense.",
    ),
]
_PRESETS_TEXT: Final = "; ".join(
    f"{kind}: {', '.join(each.settings.name for each in PRESETS.values() if each.settings.kind == kind)}"
    for kind in KINDS
)
ModelName = Annotated[
    str,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        rich_help_panel=MODEL,
        autocompletion=shipped_model,
        help="Name of a shipped model, a directory, or a URL in object storage.",
    ),
]
Preset = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        rich_help_panel=MODEL,
        autocompletion=one_of(dict.fromkeys(each.settings.name for each in PRESETS.values())),
        help=f"Settings of the model, by name (docs/training.md). {_PRESETS_TEXT}.",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        rich_help_panel=MODEL,
        help="Epochs of cnn and of transfer fine-tuned; default: the preset's.",
    ),
]
FeatureSet = Annotated[
    str,
    typer.Option(
        "--set",
        metavar="SET",
        rich_help_panel=MODEL,
        autocompletion=one_of(FEATURE_SETS),
        help=f"Feature set: {', '.join(FEATURE_SETS)}.",
    ),
]
EncoderFile = Annotated[
    str,
    typer.Option(
        "--encoder",
        metavar="FILE",
        rich_help_panel=MODEL,
        help="Pretrained encoder: path or URL of an ONNX file, or of .safetensors for transfer models and teachers.",
    ),
]
EncoderOutput = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        rich_help_panel=MODEL,
        help="Output of the encoder to use; default: last_hidden_state, otherwise its last output with three axes.",
    ),
]
EncoderNormalise = Annotated[
    bool | None,
    typer.Option(
        rich_help_panel=MODEL,
        help="Scale each waveform to mean 0 and variance 1 before the encoder; default: yes.",
        show_default=False,
    ),
]


def print_message(text: str) -> None:
    """Print one line for the user on standard error.

    Parameters
    ----------
    text : str
        The line.
    """
    print(text, file=sys.stderr)  # noqa: T201 - results go to standard output, everything else to standard error


def command_text() -> str:
    """Return the command line of this process as a person would type it.

    Returns
    -------
    str
        Quoted where a shell needs it; it may contain credentials.
    """
    program = os.path.basename(sys.argv[0])
    if program == "__main__.py":
        program = "python -m emosense"
    elif program.endswith(".py"):
        program = f"python jobs/{program}"
    return f"{program} {shlex.join(sys.argv[1:])}"


def comma_separated(text: str) -> tuple[str, ...]:
    """Split a comma-separated list.

    Parameters
    ----------
    text : str
        The list; empty entries are ignored.

    Returns
    -------
    tuple of str
        The entries.
    """
    return tuple(name for name in text.split(",") if name.strip())
