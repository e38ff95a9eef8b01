"""What made an artifact, for a person to read: `make provenance FILE=results/...`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import yaml

from ptq_privacy.files import origin

FIRST = ("rule", "study", "seed", "code", "inputs")
LAST = ("versions",)


def as_text(path: str) -> str:
    """An artifact's record as YAML, under the artifact's path.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: names the file if it is damaged, or is of a kind that holds no record.
    """
    made = origin.read(path)
    ordered = {key: made[key] for key in FIRST if key in made}
    ordered |= {key: value for key, value in made.items() if key not in (*FIRST, *LAST)}
    ordered |= {key: made[key] for key in LAST if key in made}
    return yaml.safe_dump({path: ordered}, sort_keys=False, allow_unicode=True, width=100)


def main(arguments: Sequence[str]) -> str | None:
    """Print each file's record; return what to say if there is none."""
    try:
        for path in arguments:
            print(as_text(path), end="")
    except (FileNotFoundError, ValueError) as error:
        return str(error)
    return None if arguments else "which file? make provenance FILE=results/..."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
