"""What a job's code depends on, as one digest: it changes when behaviour may, and only then.

Snakemake notices an edit of a script, but not of the modules that the script imports, and it takes
a new comment for a change. The digest covers a job's script, the functions that its fragments or
your config name, and every module of this repository, or of your folder, that these reach, as
syntax trees without docstrings and log messages; each rule passes it as a parameter.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

UNSEEN = (
    "runtime/joblog.py",
    "runtime/leases.py",
    "compression/work.py",
    "planning/method_cost.py",
    "study/allowed.py",
    "study/fit.py",
    "study/fragments.py",
    "study/references.py",
    "study/streams.py",
)
"""Modules of the library that no artifact can depend on: logs, leases, what the plan asks and how
many models go together, what
only refuses, and what looks names up. Which function a name stands for is covered by that
function's own module."""

PLAN_ONLY = "work"
"""A function of a method's module that only the plan asks."""

LOGGING = {"debug", "info", "warning", "error", "exception", "critical", "log"}
"""Methods of a module's `log` whose calls only people read."""

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Fields of a syntax tree's nodes that hold statements."""

LIBRARY = Path(__file__).parents[1]


def job_digest(script: Path, references: Iterable[str], here: Path) -> str:
    """Digest of all code behind one job.

    Args:
        script: the rule's; the library lies beside it.
        references: `module:function` of what the job's names stand for, and whole modules.
        here: the folder in which modules of your own are sought.

    Raises:
        ValueError: there is no such module.
        SyntaxError: a script or a module does not parse.
    """
    return _job_digest(script, frozenset(references), here)


@cache
def _job_digest(script: Path, references: frozenset[str], here: Path) -> str:
    modules = sorted({reference.partition(":")[0] for reference in references})
    library = [m for m in modules if m.partition(".")[0] == LIBRARY.name]
    parts = [code_digest(script, tuple(library))]
    parts += [module_digest(module, here) for module in modules if module not in library]
    return " ".join(parts)


@cache
def code_digest(script: Path, modules: tuple[str, ...] = ()) -> str:
    """Digest of a script, of some library modules, and of all that they import, directly or not.

    Library modules are those found beside the script; `script` is resolved first.

    Raises:
        FileNotFoundError: there is no such script.
        ValueError: there is no such module.
        SyntaxError: the script or a module does not parse.
    """
    script = script.resolve()
    return _digest([script, *(_own_module(script.parent, name) for name in modules)], script.parent)


@cache
def module_digest(module: str, root: Path) -> str:
    """Digest of a module `package.module` in the folder `root` and of what it imports from there.

    Raises:
        ValueError: there is no such module in the folder.
        SyntaxError: a module does not parse.
    """
    root = root.resolve()
    _own_module(root, module)
    names = module.split(".")
    packages = [".".join(names[: depth + 1]) for depth in range(len(names))]  # importing runs all
    return _digest([file for name in packages if (file := _module(root, name))], root)


def _own_module(root: Path, name: str) -> Path:
    found = _module(root, name)
    if found is None:
        place = root.joinpath(*name.split(".")).with_suffix(".py")
        raise ValueError(f"no module {name!r}: there is no {place}")
    return found


def _digest(first: list[Path], root: Path) -> str:
    reached = frozenset().union(*(_reached(file, root) for file in first))
    text = "\0".join(f"{file.relative_to(root)}\0{_read(file)[1]}" for file in sorted(reached))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _reached(first: Path, root: Path) -> frozenset[Path]:
    reached: set[Path] = set()
    pending = [first]
    unseen = {root / LIBRARY.name / name for name in UNSEEN}
    while pending:
        current = pending.pop()
        if current not in reached and current not in unseen:
            reached.add(current)
            pending.extend(_imports(current, root))
    return frozenset(reached)


@cache
def _imports(file: Path, root: Path) -> tuple[Path, ...]:
    """Files of the local modules whose names one file imports.

    A package's own `__init__` counts only where a name is taken from it: the modules here do
    nothing on import, so passing through a package cannot change a result.
    """
    found: list[Path | None] = []
    for level, package, names in _read(file)[0]:
        base = root if level == 0 else file.parents[level - 1]
        if not names:
            found.append(_module(base, package))
        for name in names:
            submodule = _module(base, f"{package}.{name}".strip("."))
            found.append(submodule or _module(base, package))
    return tuple(path for path in found if path is not None)


def _module(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


@cache
def _read(file: Path) -> tuple[list[tuple[int, str, list[str]]], str]:
    """What a file imports, as (level, module, names taken from it), and its source as its syntax
    tree prints it, less all that cannot change a result."""
    tree = ast.parse(file.read_bytes(), filename=str(file))
    imports: list[tuple[int, str, list[str]]] = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            imports += [(0, alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            imports.append((node.level, node.module or "", names))
    if (file.parent.parent.name, file.parent.name) == (LIBRARY.name, "compression"):
        tree.body = [node for node in tree.body if not _only_planned(node, tree)]
    for block in [block for node in _statements(tree) for block in _blocks(node)]:
        block[:] = [node for node in block if not _is_remark(node)]
    return imports, ast.unparse(tree)


def _blocks(node: ast.AST) -> list[list[ast.AST]]:
    """The lists of statements of which one statement, or a whole module, is made."""
    fields = (getattr(node, name, None) for name in BLOCKS)
    return [block for block in fields if isinstance(block, list)]


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """A tree and all statements in it, at every depth; expressions hold none."""
    yield tree
    for block in _blocks(tree):
        for node in block:
            yield from _statements(node)


def _only_planned(node: ast.stmt, tree: ast.Module) -> bool:
    """Whether a statement is a method's word to the plan, which nothing else here calls; or imports
    from where such words are made of."""
    if isinstance(node, ast.ImportFrom):
        return node.module == f"{LIBRARY.name}.compression.work"
    if not (isinstance(node, ast.FunctionDef) and node.name == PLAN_ONLY):
        return False
    names = (n.id for n in ast.walk(tree) if isinstance(n, ast.Name))
    return PLAN_ONLY not in names


def _is_remark(node: ast.AST) -> bool:
    """Whether a statement is what only people read: a docstring, a bare string, or a call of a
    module's `log`."""
    if not isinstance(node, ast.Expr):
        return False
    value = node.value
    if isinstance(value, ast.Constant):
        return isinstance(value.value, str)
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and isinstance(value.func.value, ast.Name)
        and value.func.value.id == "log"
        and value.func.attr in LOGGING
    )
