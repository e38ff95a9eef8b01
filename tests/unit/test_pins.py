"""Each package is pinned, what it needs in turn too, and for conda as for pip."""

import shutil
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ENVS = Path(__file__).parents[2] / "envs"

PLATFORMS = {
    "linux, x86_64": {"sys_platform": "linux", "platform_machine": "x86_64"},
    "linux, aarch64": {"sys_platform": "linux", "platform_machine": "aarch64"},
    "macOS, arm64": {"sys_platform": "darwin", "platform_machine": "arm64"},
}


def requirements(path):
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    return [Requirement(line) for line in lines if line]


def pins_of(required, environment=None):
    """Version by package, of those that an environment needs."""
    needed = [r for r in required if r.marker is None or r.marker.evaluate(environment)]
    pins = {}
    for requirement in needed:
        name, (pin,) = canonicalize_name(requirement.name), requirement.specifier
        assert pin.operator == "==", f"{requirement} is no pin"
        assert "*" not in pin.version, f"{requirement} is no pin"
        assert name not in pins, f"{name} has two pins"
        pins[name] = pin.version
    return pins


REQUIRED = pins_of(requirements(ENVS / "requirements.txt"))
CONSTRAINTS = requirements(ENVS / "constraints.txt")


def reached():
    """Every installed distribution that the requirements reach, with its version."""
    found, pending = {}, [(name, frozenset()) for name in REQUIRED]
    seen = set()
    while pending:
        name, extras = pending.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        installed = distribution(name)
        found[name] = installed.version
        for text in installed.requires or []:
            need = Requirement(text)
            if need.marker is None or any(
                need.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            ):
                pending.append((canonicalize_name(need.name), frozenset(need.extras)))
    return found


def test_conda_s_file_alone_pins_what_pip_s_does(tmp_path):
    """Snakemake copies it into a folder of its own, where nothing lies beside it."""
    shutil.copy(ENVS / "environment.yaml", tmp_path)
    content = yaml.safe_load((tmp_path / "environment.yaml").read_text())
    packages, (by_pip,) = (
        [entry for entry in content["dependencies"] if isinstance(entry, str)],
        [entry for entry in content["dependencies"] if isinstance(entry, dict)],
    )
    assert packages == ["python=3.11", "pip"]
    assert pins_of(map(Requirement, by_pip["pip"])) == REQUIRED


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_package_has_one_pin_wherever_it_runs(python, platform):
    versions = {"python_version": python, "python_full_version": f"{python}.0"}
    pins = pins_of(CONSTRAINTS, {**versions, **PLATFORMS[platform]})
    assert {name: pins[name] for name in REQUIRED} == REQUIRED
    assert ("nvidia-cublas" in pins) == ("linux" in platform)  # what torch brings there


def test_all_that_is_installed_is_pinned_as_it_is():
    """Also what is there for the sake of something else: `pip install --upgrade` is found out."""
    pins = pins_of(CONSTRAINTS)
    installed = {name: Version(version).public for name, version in reached().items()}
    assert len(installed) > 80
    assert installed == {name: pins.get(name) for name in installed}
