"""Artifacts that no config needs any more: `make clean-stale` lists them, DELETE=yes removes them.

What is needed is asked of Snakemake: outputs, logs and benchmarks of every job in the graphs of the
configs given. Looked at are files that a rule's patterns could have named, in the folders of these
configs' studies; anybody's notes, and studies whose config is not given, are left alone.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.exceptions import WorkflowError
from snakemake.io import WILDCARD_REGEX
from snakemake.settings.enums import Quietness
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

SNAKEFILE = Path(__file__).resolve().parents[1] / "Snakefile"

sys.path.append(str(Path(__file__).resolve().parent / "scripts"))

from ptq_privacy.study import config_file  # noqa: E402
from ptq_privacy.study.adversaries import ADVERSARIES  # noqa: E402
from ptq_privacy.study.pool import SHARD  # noqa: E402

# The workflow's own constraints allow only names of the present config.
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
DRAWN = NAME + "(?:/draw-[1-9][0-9]*)?"
WILDCARDS = {
    "shard": SHARD,
    "adversary": "|".join(ADVERSARIES),
    "stored": DRAWN,
    "compressed": DRAWN,
}


def graph(config: Path) -> tuple[set[str], set[str]]:
    """All files that the jobs of a config make, and the patterns of all files that its rules could.

    Raises:
        snakemake.exceptions.WorkflowError: the config is wrong.
    """
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[config]),
            snakefile=SNAKEFILE,
        )
        with redirect_stdout(io.StringIO()):
            workflow.dag().summary()
        built = workflow._workflow
        return files(built.dag.jobs), files(built.rules)


def files(makers: Sequence) -> set[str]:
    """Outputs, logs and benchmarks of jobs, or their patterns in rules."""
    named = [path for maker in makers for path in (*maker.output, *maker.log, maker.benchmark)]
    return {str(path) for path in named if path}


def expression(pattern: str) -> re.Pattern[str]:
    """What matches the paths that a pattern could have named under any config of its study."""
    parts, end = [], 0
    for wildcard in WILDCARD_REGEX.finditer(pattern):
        allowed = WILDCARDS.get(wildcard["name"], NAME)
        parts += [re.escape(pattern[end : wildcard.start()]), f"(?:{allowed})"]
        end = wildcard.end()
    return re.compile("".join(parts) + re.escape(pattern[end:]))


def stale(configs: Sequence[Path]) -> list[Path]:
    """Files of the configs' studies that a rule could have made and none of the configs needs."""
    graphs = [graph(config) for config in configs]
    needed = {path for paths, _ in graphs for path in paths}
    known = [expression(pattern) for _, patterns in graphs for pattern in sorted(patterns)]
    studies = {Path(*Path(path).parts[:2]) for path in needed}
    found = sorted(path for study in studies for path in walk(study))
    return [
        path
        for path in found
        if str(path) not in needed and any(pattern.fullmatch(str(path)) for pattern in known)
    ]


def walk(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):  # follows no links
        yield from (Path(root, name) for name in names)


def remove(paths: Sequence[Path]) -> None:
    """Remove files, and the folders that are empty without them."""
    for path in paths:
        path.unlink()
        for folder in path.parents[:-2]:  # up to the study's own
            if any(folder.iterdir()):
                break
            folder.rmdir()


def main() -> None:
    parser = argparse.ArgumentParser(description="List artifacts that no config needs.")
    parser.add_argument("configs", nargs="+", type=Path)
    parser.add_argument("--delete", action="store_true", help="and remove them")
    options = parser.parse_args()
    try:
        for config in options.configs:
            config_file.whole(config)
        found = stale([config.resolve() for config in options.configs])
    except (ValueError, WorkflowError) as error:
        sys.exit(f"clean-stale: {' '.join(str(error).split())}")
    size = sum(path.lstat().st_size for path in found)
    if options.delete:
        remove(found)
    sys.stdout.writelines(f"{path}\n" for path in found)
    what = "removed" if options.delete else "stale; DELETE=yes removes them"
    print(f"{len(found)} files, {size / 1e6:.1f} MB {what}")


if __name__ == "__main__":
    main()
