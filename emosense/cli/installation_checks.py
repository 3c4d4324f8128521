"""Checks of the installation: packages, decoders and the shipped models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from emosense.cli.check import Check, Load
from emosense.errors import EmoSenseError

REQUIRED_PACKAGES: Final = ("numpy", "onnxruntime", "ray", "av")
_REINSTALL: Final = "reinstall emosense in a new environment"


def check_package(name: str, load: Load) -> Check:
    """Import a package that labelling needs.

    Parameters
    ----------
    name : str
        Name of the package.
    load : callable
        Imports a module by name.

    Returns
    -------
    Check
        ``ok`` with the version, or ``broken``.
    """
    try:
        return Check(name, "ok", str(load(name).__version__))
    except ImportError as err:
        return Check(name, "broken", f"cannot be imported: {err}", _REINSTALL)


def check_libsndfile(load: Load) -> Check:
    """Import soundfile and check which formats its libsndfile was built with.

    Parameters
    ----------
    load : callable
        Imports a module by name.

    Returns
    -------
    Check
        ``ok`` with the version, ``warning`` if a common format is missing, or ``broken``.
    """
    try:
        soundfile: Any = load("soundfile")
    except (ImportError, OSError) as err:  # soundfile raises OSError if the library itself is missing
        return Check("libsndfile", "broken", f"cannot be loaded: {err}", "reinstall soundfile, or install libsndfile1")
    formats: dict[str, str] = soundfile.available_formats()
    version = str(soundfile.__libsndfile_version__)
    missing = sorted({"FLAC", "MP3", "OGG", "WAV"} - formats.keys())
    if missing:
        return Check("libsndfile", "warning", f"{version} cannot read {', '.join(missing)}", "update soundfile")
    return Check("libsndfile", "ok", f"{version}, {len(formats)} formats, including WAV, FLAC, OGG and MP3")


def check_optional_package(package: str, use: str, install_command: str, load: Load) -> Check:
    """Import an optional package.

    Parameters
    ----------
    package : str
        Name of the package.
    use : str
        What it is needed for.
    install_command : str
        Command that installs it.
    load : callable
        Imports a module by name.

    Returns
    -------
    Check
        ``ok`` with the version, ``absent``, or ``warning`` if it is installed but cannot be imported.
    """
    try:
        return Check(package, "ok", f"{load(package).__version__}, for {use}")
    except ModuleNotFoundError:
        return Check(package, "absent", f"not installed: needed for {use}", install_command)
    except ImportError as err:
        return Check(package, "warning", f"cannot be imported: {err}", f"{install_command} --upgrade")


def check_models(load: Load, names: tuple[str, ...] | None = None) -> Iterator[Check]:
    """Load models and compare them with their descriptions.

    Parameters
    ----------
    load : callable
        Imports a module by name.
    names : tuple of str, optional
        Names or directories of models; by default all models that ship with the package.

    Yields
    ------
    Check
        One result per model: ``ok`` or ``broken``.
    """
    try:
        directories: Any = load("emosense.models.model_files")
        graphs: Any = load("emosense.models.model")
    except ImportError as err:
        yield Check("models", "broken", f"cannot be loaded: {err}", _REINSTALL)
        return
    names = tuple(directories.shipped_models()) if names is None else names
    if not names:
        yield Check("models", "broken", "this installation contains no model", "pass a directory with --model")
    for name in names:
        try:
            files = directories.read_model(name)
            graphs.Model(files)
        except (EmoSenseError, ImportError) as err:
            yield Check(f"model {name}", "broken", str(err), "reinstall emosense, or download the model again")
        else:
            description = files.description
            yield Check(f"model {name}", "ok", f"{description['name']} {description['version']}, verified")
