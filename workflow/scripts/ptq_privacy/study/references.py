"""Functions named as text, `package.module:function`: what a fragment names, or your own module.

Nothing imports what it does not use: a method, a network or a source is looked up when a job needs
it. Your own modules are sought in the folder in which Snakemake runs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBRARY = "ptq_privacy"


def is_own(reference: str) -> bool:
    """Whether a reference is of a module of yours, not of this library."""
    return reference.partition(":")[0].partition(".")[0] != LIBRARY


def find(reference: str, key: str) -> Callable[..., Any]:
    """The function that a reference names.

    Args:
        reference: `package.module:function`.
        key: of the config that holds it, for messages.

    Raises:
        ValueError: there is no such module or function, or a module of yours has the name of an
            installed one; names the key and the reference.
    """
    module_name, _, name = reference.partition(":")
    here = str(Path.cwd())
    own = is_own(reference)
    if own and here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the module does when it is imported
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{key}: module {module_name!r} of {reference!r} cannot be imported"
            f"{f' from {here}' if own else ''}: {type(error).__name__}: {reason}"
        ) from error
    if own and not Path(module.__file__ or "").is_relative_to(here):
        raise ValueError(
            f"{key}: {reference!r}: a module {module_name!r} is installed already, at "
            f"{module.__file__}; rename your own"
        )
    function = getattr(module, name, None)
    if not callable(function):
        raise ValueError(f"{key}: {reference!r}: {module.__file__} has no function {name!r}")
    return function
