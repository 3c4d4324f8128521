"""Digests of source code, so that stored results are computed again after the code that computes them changes.

Comments, docstrings, formatting, line endings and the location of the files do not matter.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import pkgutil
from collections.abc import Iterator
from typing import Final

_WITH_DOCSTRINGS: Final = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@functools.cache
def source_digest(*names: str) -> str:
    """Return a digest of the code of modules, computed once per process.

    Parameters
    ----------
    *names : str
        Dotted names; a package means all modules in it.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for module, source in sorted({name: source for each in names for name, source in _sources(each)}.items()):
        digest.update(f"{module}\n{code_only(source)}\n".encode())
    return digest.hexdigest()[:16]


def _sources(name: str) -> Iterator[tuple[str, str]]:
    """Name and source of a module and, in a package, of all modules below; the loader also reads zipped packages."""
    spec = importlib.util.find_spec(name)
    # The loader of zipped packages is not an InspectLoader, but it has this method.
    get_source = getattr(spec.loader, "get_source", None) if spec else None
    if spec is None or get_source is None:
        raise ImportError(f"{name} has no source code")
    yield name, get_source(name) or ""
    for module in pkgutil.iter_modules(spec.submodule_search_locations or [], f"{name}."):
        yield from _sources(module.name)


def code_only(source: str) -> str:
    """Return source code without comments, docstrings and formatting.

    Parameters
    ----------
    source : str
        A Python module.

    Returns
    -------
    str
        Equivalent source code.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, _WITH_DOCSTRINGS) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
