import itertools
import shutil
from pathlib import Path

import pytest

from ptq_privacy.study.digests import code_digest, module_digest

SCRIPTS = Path(__file__).parents[3] / "workflow" / "scripts"
LIBRARY = "ptq_privacy"

# A script reaches top, which reaches deep; lonely is there and never imported.
FILES = {
    "run.py": "from lib.top import work\n\nwork(2)\n",
    "lib/__init__.py": "",
    "lib/top.py": "from lib import deep\n\ndef work(x):\n    return deep.RATE * x\n",
    "lib/deep.py": "RATE = 3\n",
    "lib/lonely.py": "RATE = 4\n",
}

numbers = itertools.count()


def digest(tmp_path, **changes):
    """Digest of run.py among FILES, with some files' text replaced or added; dots for slashes."""
    files = FILES | {f"{name.replace('.', '/')}.py": text for name, text in changes.items()}
    root = tmp_path / str(next(numbers))
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return code_digest(root / "run.py")


def test_it_depends_on_what_files_say_and_not_on_where_they_lie(tmp_path):
    assert digest(tmp_path / "here") == digest(tmp_path / "somewhere" / "else")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from lib", "# A remark.\nfrom lib"),
        ("from lib", "'''What it is for.'''\nfrom lib"),
        ("    return", "    'Why it returns.'\n    return"),
        ("    return", "    log.info('%d', x)\n    return"),
        ("deep.RATE * x", "(deep.RATE\n\n      * x)  # product\n\n'About what is above.'"),
    ],
    ids=["comment", "module docstring", "docstring", "log message", "format and bare string"],
)
def test_what_only_people_read_does_not_count(tmp_path, old, new):
    remarked = FILES["lib/top.py"].replace(old, new)
    assert remarked != FILES["lib/top.py"]
    assert digest(tmp_path, **{"lib.top": remarked}) == digest(tmp_path)


def test_another_log_message_does_not_count(tmp_path):
    text = "def work(x):\n    if x:\n        log.warning({!r}, x)\n    return x\n"
    assert digest(tmp_path, **{"lib.top": text.format("one")}) == digest(
        tmp_path, **{"lib.top": text.format("two")}
    )


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("run", "from lib.top import work\n\nwork(3)\n"),
        ("lib.top", "from lib import deep\n\ndef work(x):\n    return deep.RATE + x\n"),
        ("lib.deep", "RATE = 3.0\n"),
        ("lib.deep", "RATE = 3\nDOC = 'text that is a value'\n"),
    ],
    ids=["script", "operator", "constant two imports away", "string value"],
)
def test_what_runs_counts(tmp_path, file, text):
    assert digest(tmp_path, **{file: text}) != digest(tmp_path)


def test_a_list_called_log_is_no_logger(tmp_path):
    text = "def work(x):\n    log = []\n    log.append({})\n    return log\n"
    assert digest(tmp_path, **{"lib.top": text.format("x")}) != digest(
        tmp_path, **{"lib.top": text.format("2 * x")}
    )


def test_a_module_that_nothing_imports_does_not_count(tmp_path):
    assert digest(tmp_path, **{"lib.lonely": "RATE = 5\n"}) == digest(tmp_path)


def test_a_module_imported_only_now_counts(tmp_path):
    assert digest(tmp_path, **{"lib.deep": "from lib.lonely import RATE\n"}) != digest(tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "from . import deep",
        "from .deep import RATE",
        "from .deep import *",
        "from lib.deep import RATE",
        "import lib.deep",
        "import lib.deep as other",
        "from ..lib import deep",
    ],
)
def test_every_way_to_import_a_module_reaches_it(tmp_path, statement):
    top = f"def work(x):\n    {statement}\n    return x\n"
    if "*" in statement:
        top = f"{statement}\n\ndef work(x):\n    return x\n"
    before = digest(tmp_path, **{"lib.top": top})
    assert digest(tmp_path, **{"lib.top": top, "lib.deep": "RATE = 5\n"}) != before
    assert digest(tmp_path, **{"lib.top": top, "lib.lonely": "RATE = 5\n"}) == before


def test_a_package_counts_only_where_a_name_is_taken_from_it(tmp_path):
    assert digest(tmp_path, **{"lib.__init__": "RATE = 7\n"}) == digest(tmp_path)
    for statement in ("from lib import RATE", "from . import RATE", "import lib"):
        top = f"{statement}\n\ndef work(x):\n    return x\n"
        before = digest(tmp_path, **{"lib.top": top, "lib.__init__": "RATE = 6\n"})
        after = digest(tmp_path, **{"lib.top": top, "lib.__init__": "RATE = 7\n"})
        assert after != before, statement


def test_modules_may_import_each_other_in_a_circle(tmp_path):
    circle = "from lib import top\n\nRATE = {}\n"
    three = digest(tmp_path, **{"lib.deep": circle.format(3)})
    assert three == digest(tmp_path, **{"lib.deep": circle.format(3)})
    assert three != digest(tmp_path, **{"lib.deep": circle.format(4)})


def test_the_job_s_log_file_is_no_part_of_its_result(tmp_path):
    run = "from lib import joblog\nfrom lib.top import work\n\njoblog.start('x')\nwork(2)\n"
    before = digest(tmp_path, run=run, **{"lib.joblog": "def start(path):\n    print(path)\n"})
    assert before == digest(tmp_path, run=run, **{"lib.joblog": "def start(path):\n    pass\n"})


def test_moving_code_to_another_module_counts(tmp_path):
    moved = FILES["lib/top.py"].replace("deep", "deeper")
    assert digest(tmp_path, **{"lib.top": moved, "lib.deeper": "RATE = 3\n"}) != digest(tmp_path)


def test_a_script_that_is_missing_or_does_not_parse_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        code_digest(tmp_path / "missing.py")
    with pytest.raises(SyntaxError):
        digest(tmp_path, **{"lib.deep": "RATE =\n"})


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    """A copy of the scripts and the library, which nobody edits meanwhile."""
    return shutil.copytree(
        SCRIPTS,
        tmp_path_factory.mktemp("workflow") / "scripts",
        ignore=shutil.ignore_patterns("__pycache__"),
    )


@pytest.fixture
def stale_after(workflow, tmp_path):
    """Which scripts' digests change when files of the library do."""

    def stale(*files, edit="\nADDED = 1\n"):
        edited = shutil.copytree(workflow, tmp_path / "edited")
        for pattern in files:
            paths = list(edited.glob(pattern))
            assert paths, f"no file is called {pattern}"
            for path in paths:
                path.write_text(path.read_text() + edit)
        scripts = [path.name for path in workflow.glob("*.py")]
        return {
            name.removesuffix(".py")
            for name in scripts
            if code_digest(workflow / name) != code_digest(edited / name)
        }

    return stale


TRAINING = {"prepare_dataset", "assign_members", "train_models"}
NETWORKS = {"train_models", "compress_models", "query_logits"}


def test_quantization_does_not_make_training_stale_nor_attacks(stale_after):
    stale = stale_after(f"{LIBRARY}/ptq/**/*.py", f"{LIBRARY}/stages/quantize.py")
    assert "compress_models" in stale
    assert not stale & {*TRAINING, "score_attacks", "measure_leakage"}


def test_attacks_make_no_network_stale(stale_after):
    """What a network answers can be stored as phi, so that one module is the queries' business."""
    stale = stale_after(f"{LIBRARY}/attacks/[!_p]*.py", f"{LIBRARY}/attacks/pool.py")
    assert {"score_attacks", "measure_leakage"} <= stale
    assert not stale & (TRAINING | NETWORKS)


def test_phi_makes_answers_stale_and_no_network(stale_after):
    stale = stale_after(f"{LIBRARY}/attacks/phi.py")
    assert {"query_logits", "score_attacks"} <= stale
    assert not stale & (TRAINING | {"compress_models"})


def test_lira_is_the_business_of_attacks_alone(stale_after):
    attacks = {"score_attacks", "sweep_shadow_models", "measure_exposure", "calibrate_thresholds"}
    assert stale_after(f"{LIBRARY}/attacks/lira.py") == attacks


def test_networks_make_no_attack_stale(stale_after):
    stale = stale_after(f"{LIBRARY}/models/**/*.py", f"{LIBRARY}/ptq/**/*.py")
    assert stale >= NETWORKS
    assert not stale & {"prepare_dataset", "assign_members", "score_attacks", "measure_leakage"}


def test_architectures_make_everything_from_training_on_stale(stale_after):
    assert stale_after(f"{LIBRARY}/models/architectures.py") == NETWORKS | {"check_network"}


def test_figures_make_nothing_stale_but_themselves(stale_after):
    stale = stale_after(f"{LIBRARY}/report/**/*.py")
    assert "summarize" in stale
    assert not stale & (TRAINING | NETWORKS | {"score_attacks", "measure_leakage"})


def test_remarks_in_every_file_make_nothing_stale(stale_after):
    edit = "\n# A remark.\n'''More about it.'''\n"
    assert stale_after("**/*.py", edit=edit) == set()


def test_a_users_module_counts_with_its_packages_and_what_it_imports_of_its_folder(tmp_path):
    files = {
        "nets/__init__.py": "WIDTH = 3\n",
        "nets/mine.py": "import torch\nfrom nets.parts import block\n\ndef build():\n    block()\n",
        "nets/parts.py": "def block():\n    return 1\n",
        "nets/other.py": "x = 1\n",
    }

    def digest_after(path=None, text=""):
        root = tmp_path / str(next(numbers))
        for name, content in (files | {path: text} if path else files).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
        return module_digest("nets.mine", root)

    unchanged = digest_after()
    assert digest_after("nets/other.py", "x = 2\n") == unchanged
    assert digest_after("nets/parts.py", files["nets/parts.py"] + "# remark\n") == unchanged
    changed = {digest_after(name, files[name] + "y = 1\n") for name in list(files)[:3]}
    assert len(changed - {unchanged}) == 3
    with pytest.raises(ValueError, match=r"no module 'nets.absent': there is no .*nets/absent\.py"):
        module_digest("nets.absent", tmp_path / "0")
