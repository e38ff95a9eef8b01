"""The house: imports point downward, no two modules share a name, no file is too long."""

import ast
import importlib.util
import re
from collections import Counter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"
LIBRARY = SCRIPTS / "ptq_privacy"
FROM_THE_GROUND_UP = [
    "study",
    "files",
    "runtime",
    "data",
    "networks",
    "training",
    "graph",
    "compression",
    "answers",
    "attacks",
    "measures",
    "exchange",
    "report",
    "planning",
    "stages",
]
FILES = sorted(LIBRARY.rglob("*.py"))
MODULES = [file for file in FILES if file.name not in ("__init__.py", "__main__.py")]
RULES = sorted((SCRIPTS.parent / "rules").glob("*.smk"))


def imported(file):
    """Modules of the library that a file names, by their dotted path; relative ones too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: say in full from where"
            if (node.module or "").partition(".")[0] == LIBRARY.name:
                for alias in node.names:
                    yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(LIBRARY.name))


def test_the_folders_are_these():
    folders = {path.name for path in LIBRARY.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(FROM_THE_GROUND_UP)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(LIBRARY)))
def test_imports_point_downward(file):
    place = file.relative_to(LIBRARY).parts[0]
    if place not in FROM_THE_GROUND_UP:
        assert not list(imported(file))
        return
    below = FROM_THE_GROUND_UP[: FROM_THE_GROUND_UP.index(place) + 1]
    for name in imported(file):
        assert name.split(".")[1] in below, f"{file} imports {name}"


def test_no_modules_import_each_other():
    known = {".".join(file.relative_to(SCRIPTS).with_suffix("").parts): file for file in MODULES}
    after = {
        name: {
            part
            for found in imported(file)
            for part in (found, found.rpartition(".")[0])
            if part in known
        }
        for name, file in known.items()
    }
    while after:
        free = [name for name, needs in after.items() if not needs & after.keys()]
        assert free, f"in a circle: {sorted(after)}"
        for name in free:
            del after[name]


def test_no_two_modules_have_one_name():
    # Every kind of inputs has the same parts.
    names = [f"{file.parent.name}." * ("kinds" in file.parts[-3:]) + file.stem for file in MODULES]
    names += [file.parent.name for file in FILES if file.name == "__init__.py"]
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_no_file_is_longer_than_can_be_read_at_once():
    long = {file: len(file.read_text().splitlines()) for file in FILES}
    assert [file for file, lines in long.items() if lines > 300] == []


def test_a_rule_its_script_and_its_stage_have_one_name():
    text = "\n".join(path.read_text() for path in RULES)
    scripts = {path.stem for path in SCRIPTS.glob("*.py")}
    stages = {path.stem for path in (LIBRARY / "stages").glob("[!_]*.py")}
    assert scripts == stages
    for name in scripts:
        assert f"rule {name}:" in text
        assert f'"../scripts/{name}.py"' in text
        assert f"def {name}(" in (LIBRARY / "stages" / f"{name}.py").read_text()


def test_the_library_knows_nothing_of_snakemake_and_the_ground_nothing_of_torch():
    for file in FILES:
        text = file.read_text()
        assert "import snakemake" not in text
        assert "from snakemake" not in text
        if file.parent.name == "study":
            assert "import torch" not in text


def test_what_make_runs_is_there():
    named = re.findall(r"-m (ptq_privacy[\w.]*)", (SCRIPTS.parents[1] / "Makefile").read_text())
    assert len(named) == 4
    assert [name for name in named if importlib.util.find_spec(name) is None] == []
