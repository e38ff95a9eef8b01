"""What the plan says of methods that do not tell their work, and of counts at their bounds."""

import copy
import math
import shutil

import pytest
import yaml

from ptq_privacy.planning import __main__ as command
from ptq_privacy.planning import shapes
from ptq_privacy.planning.__main__ import planned, untold
from ptq_privacy.planning.shapes import Shape
from ptq_privacy.planning.stage_costs import table
from ptq_privacy.study import fragments, schema
from tests.conftest import TINY

OWN = {"name": "mine", "factory": "mine:compress"}


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Adds a fragment to a copy of the repository's, as one who has a new method does."""
    shutil.copytree(fragments.SCHEMAS, tmp_path / "schemas")
    monkeypatch.setattr(fragments, "SCHEMAS", tmp_path / "schemas")
    forget()

    def add(**changes):
        known = {"title": "New", "about": "A new method."}
        for key, value in {"function": "nearest:compress", **changes}.items():
            known[key] = f"ptq_privacy.compression.{value}"
        path = fragments.SCHEMAS / "compressions/new.yaml"
        path.write_text(yaml.safe_dump(known))
        forget()
        return path

    yield add
    forget()


def forget():
    fragments.of_kind.cache_clear()
    schema.definition.cache_clear()


def asking_for(*methods, **changes):
    compression = {**copy.deepcopy(TINY["compression"]), "methods": list(methods), "decoupled": []}
    return {**copy.deepcopy(TINY), "compression": compression, **changes}


def test_a_method_whose_fragment_says_its_work_is_planned(added, tmp_path):
    added(work="nearest:work")
    stages = planned(asking_for("new"), tmp_path, tflops=1)
    assert untold(stages) == ""
    assert "?" not in table(stages)


def test_of_one_that_does_not_it_is_said_in_words(added, tmp_path):
    added()
    stages = planned(asking_for("nearest", "new", OWN), tmp_path, tflops=1)
    assert table(stages).count("?") == 4  # time and memory of two
    assert untold(stages).startswith(
        "compress_models: new, compress_models: mine: the time is not known, and not in the total. "
        "A method says it where its fragment has the key `work`"
    )


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (
            "obc:work",
            "work: ptq_privacy.compression.obc:work: TypeError: work() missing 1 required",
        ),
        ("work:grid_search", "work: ptq_privacy.compression.work:grid_search: TypeError: "),
        ("nearest:compress", "work: ptq_privacy.compression.nearest:compress: TypeError: "),
    ],
)
def test_a_work_that_is_called_otherwise_is_a_line_that_names_the_fragment(
    added, tmp_path, work, message
):
    path = added(work=work)
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        planned(asking_for("new"), tmp_path, tflops=1)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_what_is_no_cost_is_named(added, tmp_path, monkeypatch):
    path = added(work="nearest:work")
    monkeypatch.setattr("ptq_privacy.compression.nearest.work", lambda *_: 3.0)
    with pytest.raises(ValueError, match=f"{path}: work: .* gives a float, not a compression.wor"):
        planned(asking_for("new"), tmp_path, tflops=1)


def test_the_last_shard_may_hold_fewer(tmp_path):
    pool = {"shadow_models": 8, "targets": 2, "models_per_job": 4}
    stages = {s.name: s for s in planned(asking_for("brecq", pool=pool), tmp_path, tflops=1)}
    trained, compressed = stages["train_models"], stages["compress_models: brecq"]
    assert (trained.jobs, trained.models) == (3, 10)
    assert (compressed.jobs, compressed.models) == (3, 10)
    assert stages["query_logits"].models == 20


def test_the_largest_counts_that_are_allowed_are_planned(tmp_path):
    """At once, since nothing of the plan grows with them but a few lists of shards' names."""
    config = asking_for(*(name for name in fragments.names("compressions")))
    config["pool"] = {"shadow_models": 9998, "targets": 10000, "models_per_job": 1}
    config["seed"] = 2**63 - 1
    config["training"] |= {"epochs": 1000000, "batch_size": 120}
    for name in ("adaround", "brecq", "refit"):
        config["compression"][name] = {"iterations": 10**7}
    stages = planned(config, tmp_path, tflops=1)
    assert all(math.isfinite(stage.device_seconds + stage.memory) for stage in stages)
    assert sum(stage.jobs for stage in stages) > 100_000


def test_your_own_data_are_seen_to_suffice_once_they_are_prepared(tmp_path, monkeypatch):
    config = asking_for("nearest", datasets={"own": {"source": "folder", "path": "images"}})
    monkeypatch.setattr(shapes, "of", lambda *_: Shape(100, 20, (1, 8, 8), 2))
    with pytest.raises(ValueError, match="compression.calibration_samples: 64 is more than the 50"):
        planned(config, tmp_path, tflops=1)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["no.yaml"], "plan: no.yaml: cannot be read: No such file or directory"),
        (["a.yaml", "b.yaml"], "plan: 2 config files, a.yaml, b.yaml: a config is whole, so one"),
        (["tiny.yaml", "--tflops", "inf"], "plan: TFLOPS: inf is not above 0, or not finite"),
    ],
)
def test_what_is_wrong_ends_the_command_with_a_line(tmp_path, monkeypatch, arguments, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    monkeypatch.setattr("sys.argv", ["make plan", *arguments])
    with pytest.raises(SystemExit) as caught:
        command.main()
    assert str(caught.value).startswith(line)
