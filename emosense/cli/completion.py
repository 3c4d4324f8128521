"""What the Tab key offers for the value of an option, where it is one of a few names."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def one_of(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Return the completion of a value that is one of a few names.

    Parameters
    ----------
    names : iterable of str
        The names, such as a registry; read when the Tab key is pressed.

    Returns
    -------
    callable
        Takes the start of a value and gives the names that begin with it.
    """

    # Typer reads the name of the parameter.
    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete


def shipped_model(incomplete: str) -> list[str]:
    """Return the shipped models whose names begin like a value; where none does, the shell offers files.

    Parameters
    ----------
    incomplete : str
        The start of the value.

    Returns
    -------
    list of str
        Names.
    """
    from emosense.models.model_files import shipped_models

    return one_of(shipped_models())(incomplete)
