import itertools
import shutil
from pathlib import Path

import pytest

from ptq_privacy.study import digests, fragments
from ptq_privacy.study.digests import code_digest, job_digest, module_digest
from ptq_privacy.study.experiment import DP_SGD, SGD

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


KINDS = "ptq_privacy.data.kinds.images"
NETWORK = "ptq_privacy.networks.small_resnets:build"
ATTACKS = [fragment.function for fragment in fragments.of_kind("attacks").values()]
TRAINED = [NETWORK, f"{KINDS}.normalise", f"{KINDS}.augment"]
JOBS = {
    "prepare_dataset": ["ptq_privacy.data.sources.digits:load", f"{KINDS}.check"],
    "assign_members": [],
    "train_models sgd": [*TRAINED, SGD],
    "train_models dp": [*TRAINED, DP_SGD],
    **{
        f"compress_models {name}": [fragment.function, NETWORK, f"{KINDS}.normalise"]
        for name, fragment in fragments.of_kind("compressions").items()
    },
    "query_logits": [NETWORK, f"{KINDS}.normalise", f"{KINDS}.views"],
    "score_attacks": ATTACKS,
    "measure_leakage": [],
    "sweep_shadow_models": ATTACKS,
    "calibrate_thresholds": ATTACKS,
    "measure_exposure": ["ptq_privacy.attacks.lira:scores"],
    "compare_variants": [],
    "compare_methods": [],
    "summarize": [],
    "plot_tradeoff": [],
    "conclude": [],
}
"""What some jobs' names stand for, as the rules have it."""

TRAININGS = {job for job in JOBS if job.startswith("train_models")}
COMPRESSIONS = {job for job in JOBS if job.startswith("compress_models")}


@pytest.fixture
def stale_after(workflow, tmp_path):
    """Which of `JOBS` get another digest when files of the library change, or are added."""

    def stale(*files, edit="\nADDED = 1\n"):
        edited = shutil.copytree(workflow, tmp_path / str(next(numbers)) / "scripts")
        for pattern in files:
            paths = list((edited / LIBRARY).glob(pattern))
            assert paths, f"no file is called {pattern}"
            for path in paths:
                path.write_text(path.read_text() + edit)
        return {
            job
            for job, references in JOBS.items()
            if job_digest(workflow / f"{job.split()[0]}.py", references, tmp_path)
            != job_digest(edited / f"{job.split()[0]}.py", references, tmp_path)
        }

    return stale


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "methods"),
    [
        ("compression/nearest.py", {"nearest"}),
        ("compression/adaround.py", {"adaround"}),
        ("compression/brecq.py", {"brecq"}),
        ("compression/obc.py", {"obc"}),
        ("compression/refit.py", {"refit"}),
        ("compression/layerwise.py", {"adaround", "brecq"}),
        ("compression/elimination.py", {"obc", "refit"}),
        ("compression/gptq.py", {"gptq"}),
        ("compression/alone.py", {"gptq", "obc"}),
        ("compression/dropping.py", {"adaround", "brecq", "refit"}),
        ("compression/inverses.py", {"gptq", "obc", "refit"}),
        ("compression/distillation.py", {"refit"}),
        ("compression/descent.py", {"adaround", "brecq", "refit"}),
    ],
)
def test_a_compression_s_file_concerns_that_compression(stale_after, file, methods):
    """A shared file concerns those that reach it; training, answers and attacks never."""
    assert stale_after(file) == {f"compress_models {name}" for name in methods}


def test_no_method_imports_another():
    methods = fragments.names("compressions")
    for name in methods:
        text = (SCRIPTS / LIBRARY / "compression" / f"{name}.py").read_text()
        for other in set(methods) - {name}:
            assert f"compression.{other} import" not in text
            assert f"compression import {other}" not in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "jobs"),
    [
        ("data/sources/cifar.py", set()),
        ("data/sources/digits.py", {"prepare_dataset"}),
        ("networks/torchvision_networks.py", set()),
        (
            "networks/small_resnets.py",
            {"query_logits"} | TRAININGS | COMPRESSIONS,
        ),
        ("data/kinds/images/views.py", {"query_logits"}),
        ("data/kinds/images/augment.py", TRAININGS),
        ("training/sgd.py", {"train_models sgd"}),
        ("training/dp_sgd.py", {"train_models dp"}),
        ("training/epochs.py", TRAININGS),
        ("data/calibration_set.py", COMPRESSIONS),
        ("compression/packing.py", {"query_logits"} | COMPRESSIONS),
        ("graph/uses.py", COMPRESSIONS),
        ("graph/trace.py", COMPRESSIONS),
        ("compression/activations.py", COMPRESSIONS),
        ("compression/quantized_inputs.py", {"query_logits"} | COMPRESSIONS),
        (
            "measures/leakage.py",
            {
                "measure_leakage",
                "compare_variants",
                "compare_methods",
                "sweep_shadow_models",
                "conclude",
            },
        ),
        ("report/tradeoff.py", {"plot_tradeoff"}),
        ("report/sentences.py", {"conclude"}),
        ("stages/compress_models.py", COMPRESSIONS),
    ],
)
def test_a_file_concerns_what_reaches_it(stale_after, file, jobs):
    assert stale_after(file) == jobs


def test_phi_makes_answers_stale_and_no_network(stale_after):
    """What a network answers can be stored as phi."""
    stale = stale_after("answers/phi.py")
    assert {"query_logits", "score_attacks"} <= stale
    assert not stale & ({"prepare_dataset", "measure_leakage"} | TRAININGS | COMPRESSIONS)


def test_lira_is_the_business_of_attacks_alone(stale_after):
    attacks = {"score_attacks", "sweep_shadow_models", "measure_exposure", "calibrate_thresholds"}
    assert stale_after("attacks/lira.py") == attacks
    assert stale_after("attacks/rmia.py") == attacks - {"measure_exposure"}  # of the headline alone


@pytest.mark.slow
@pytest.mark.parametrize("file", digests.UNSEEN)
def test_what_no_artifact_can_depend_on_concerns_nothing(stale_after, file):
    assert stale_after(file) == set()


def test_what_a_method_says_to_the_plan_concerns_nothing(workflow, tmp_path):
    edited = shutil.copytree(workflow, tmp_path / "scripts")
    file = edited / LIBRARY / "compression" / "obc.py"
    before = file.read_text()
    references = JOBS["compress_models obc"]

    def digest(root):
        return job_digest(root / "compress_models.py", references, tmp_path)

    changed = before.replace("streams=1) + eliminated", "streams=2) + eliminated")
    assert changed != before
    file.write_text(changed)
    assert digest(edited) == digest(workflow)
    # Were the function used for anything else, it would count.
    used = shutil.copytree(workflow, tmp_path / "used" / "scripts")
    (used / LIBRARY / "compression" / "obc.py").write_text(changed + "\nTHERE = work\n")
    assert digest(used) != digest(workflow)


def test_a_user_s_module_of_an_unseen_name_counts(tmp_path):
    for name in ("joblog", "work", "streams"):
        (tmp_path / f"{name}.py").write_text("def work():\n    return 1\n")
        before = module_digest(name, tmp_path)
        module_digest.cache_clear()
        digests._reached.cache_clear()
        digests._read.cache_clear()
        digests._imports.cache_clear()
        (tmp_path / f"{name}.py").write_text("def work():\n    return 2\n")
        assert module_digest(name, tmp_path) != before


def test_a_new_file_concerns_nothing(workflow, tmp_path):
    edited = shutil.copytree(workflow, tmp_path / "scripts")
    for folder in ("compression", "attacks", "networks", "data/sources"):
        (edited / LIBRARY / folder / "another.py").write_text("def compress():\n    pass\n")
    for job, references in JOBS.items():
        script = f"{job.split()[0]}.py"
        assert job_digest(edited / script, references, tmp_path) == job_digest(
            workflow / script, references, tmp_path
        )


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
