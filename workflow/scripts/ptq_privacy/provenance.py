"""What a rule's code depends on, as one digest: it changes when behaviour may, and only then.

Snakemake notices an edit of a script, but not of the modules that the script imports, and it takes
a new comment for a change. The digest covers a script and every module of this repository that it
reaches, as syntax trees without docstrings and log messages; each rule passes it as a parameter.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

UNSEEN = {"joblog.py", "leases.py"}
"""Modules that no artifact can depend on."""

LOGGING = {"debug", "info", "warning", "error", "exception", "critical", "log"}
"""Methods of a module's `log` whose calls only people read."""


@cache
def code_digest(script: Path) -> str:
    """Digest of a script and of the local modules that it imports, directly or not.

    Local modules are those found beside the script; `script` is resolved first.

    Raises:
        FileNotFoundError: there is no such script.
        SyntaxError: the script or a module does not parse.
    """
    return _digest([script.resolve()], script.resolve().parent)


@cache
def module_digest(module: str, root: Path) -> str:
    """Digest of a module `package.module` in the folder `root` and of what it imports from there.

    Raises:
        ValueError: there is no such module in the folder.
        SyntaxError: a module does not parse.
    """
    root = root.resolve()
    if _module(root, module) is None:
        place = root.joinpath(*module.split(".")).with_suffix(".py")
        raise ValueError(f"no module {module!r}: there is no {place}")
    names = module.split(".")
    packages = [".".join(names[: depth + 1]) for depth in range(len(names))]  # importing runs all
    return _digest([file for name in packages if (file := _module(root, name))], root)


def _digest(first: list[Path], root: Path) -> str:
    files = sorted(_reached(first, root))
    text = "\0".join(f"{file.relative_to(root)}\0{_behaviour(file)}" for file in files)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _reached(first: list[Path], root: Path) -> set[Path]:
    reached: set[Path] = set()
    pending = list(first)
    while pending:
        current = pending.pop()
        if current not in reached and current.name not in UNSEEN:
            reached.add(current)
            pending.extend(_imports(current, root))
    return reached


@cache
def _imports(file: Path, root: Path) -> tuple[Path, ...]:
    """Files of the local modules whose names one file imports.

    A package's own `__init__` counts only where a name is taken from it: the modules here do
    nothing on import, so passing through a package cannot change a result.
    """
    found: list[Path | None] = []
    for node in ast.walk(ast.parse(file.read_bytes(), filename=str(file))):
        if isinstance(node, ast.Import):
            found += [_module(root, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = root if node.level == 0 else file.parents[node.level - 1]
            package = node.module or ""
            for alias in node.names:
                submodule = _module(base, f"{package}.{alias.name}".strip("."))
                found.append(submodule or _module(base, package))
    return tuple(path for path in found if path is not None)


def _module(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@cache
def _behaviour(file: Path) -> str:
    """The source as its syntax tree prints it, less all that cannot change a result."""
    return ast.unparse(_WithoutRemarks().visit(ast.parse(file.read_bytes())))


class _WithoutRemarks(ast.NodeTransformer):
    """Drop what only people read: docstrings, bare strings, and calls of a module's `log`."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        value = node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return None
        if (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Attribute)
            and isinstance(value.func.value, ast.Name)
            and value.func.value.id == "log"
            and value.func.attr in LOGGING
        ):
            return None
        return node
