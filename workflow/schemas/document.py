"""Write config/README.md from the schema and the fragments: what users read is what is checked.

python workflow/schemas/document.py > config/README.md
python workflow/schemas/document.py --check     says whether the file is as it would be written
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "config" / "README.md"

sys.path.append(str(ROOT / "workflow" / "scripts"))

from ptq_privacy.study import fragments, schema  # noqa: E402
from ptq_privacy.study.allowed import allowed  # noqa: E402

OPENING = """\
# The config file

<!-- Written by workflow/schemas/document.py: edit the schema and the fragments there. -->

A config file describes one study from its images to its tables: which data sets are audited, which
networks are trained on them, at which variants they are attacked, and by whom. It is a whole
study of its own. Nothing is inherited from another config, only from the defaults listed here: a
config that lacks a section is refused, and so are two at once.

```
snakemake --cores 8                                        # config/config.yaml
snakemake --cores 8 --configfile config/fashion-mnist.yaml # another study
make run CONFIG=config/fashion-mnist.yaml                  # the same, and its report
snakemake --cores 8 --config 'training={epochs: 5}' seed=1 # some keys changed for once
```

To begin your own, copy the nearest one, give it another `study`, and change what differs. All that
a study makes lies under `results/{study}`, so studies never mix, and after an edit the same command
recomputes only what the edit concerns.

The file is checked before any work begins. A key that is not listed here is refused, and so is a
value out of its range or a key that is there twice; the message is one line with the key's dotted
path, written as in these tables. `{name}` stands for a data set's name, `{n}` for a place in a
list, counted from 0.
"""

HEAD = "| Key | Allowed | Default | Meaning |\n|---|---|---|---|"


FRAGMENTS = {
    "datasets": ("sources", "`datasets.{name}.source`", "datasets.{name}"),
    "networks": ("networks", "`networks`", "networks.{n}.settings"),
    "compression": ("compressions", "`compression.methods`", "compression.NAME"),
    "attacks": ("attacks", "`attacks.methods`", "attacks.NAME"),
}
"""By section: the kind of its fragments, where a config names one, and where its keys are."""


def document() -> str:
    """The whole of config/README.md: the opening, then a table a section of the config."""
    whole = schema.definition()
    sections = {key: part for key, part in whole["properties"].items() if _is_section(key, part)}
    plain = {key: part for key, part in whole["properties"].items() if key not in sections}
    top = {**whole, "properties": plain}
    parts = [OPENING, f"## The study\n\n{_table(_children('', top))}\n"]
    for key, part in sections.items():
        about = part["description"]
        if part["type"] == "array":
            about += f" A {allowed({k: v for k, v in part.items() if k != 'items'})}."
        if "propertyNames" in part:
            about += f" A name is {allowed(part['propertyNames'], _literal)}."
        if key in FRAGMENTS:
            known = fragments.names(FRAGMENTS[key][0])
            own = {k: v for k, v in part.get("properties", {}).items() if k not in known}
            part = {**part, "properties": own} if "properties" in part else part
        parts.append(f"## {key}\n\n{about}\n\n{_table(_children(key, part))}\n")
        if key in FRAGMENTS:
            parts.append(_of_fragments(*FRAGMENTS[key]))
    return "\n".join(parts)


def _of_fragments(kind: str, place: str, keys: str) -> str:
    """What there is of a kind, a line each, and the keys of those that have some."""
    known = fragments.of_kind(kind)
    lines = [f"What {place} may name:\n"]
    for name, fragment in known.items():
        scores = ", ".join(map(_literal, fragment.more.get("scores", [])))
        gives = f" Its scores: {scores}." if scores else ""
        lines.append(f"- `{name}`, {fragment.title}. {fragment.about}{gives}")
    parts = ["\n".join(lines) + "\n"]
    for name, fragment in known.items():
        if fragment.properties:
            rows = (
                row
                for key, part in fragment.properties.items()
                for row in _rows(f"{keys.replace('NAME', name)}.{key}", part, required=False)
            )
            parts.append(f"Keys of `{name}`:\n\n{_table(rows)}\n")
    return "\n".join(parts)


def _is_section(key: str, part: dict[str, Any]) -> bool:
    return part.get("type") == "object" or key in FRAGMENTS


def _table(rows: Iterator[tuple[str, ...]]) -> str:
    lines = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    return "\n".join([HEAD, *lines])


def _children(key: str, part: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The rows of what a mapping, or each mapping of a list, may hold."""
    if part.get("type") == "array":
        yield from _children(f"{key}.{{n}}", part["items"])
    for option in part.get("anyOf", []):
        yield from _children(key, option)
    for name, child in part.get("properties", {}).items():
        yield from _rows(f"{key}.{name}".lstrip("."), child, name in part.get("required", []))
    if isinstance(part.get("additionalProperties"), dict):
        yield from _children(f"{key}.{{name}}", part["additionalProperties"])


def _rows(key: str, part: dict[str, Any], required: bool) -> Iterator[tuple[str, ...]]:
    """A key's own row, then those of the keys within it."""
    if required:
        default = "required"
    elif part.get("properties") and not part.get("required"):
        default = "its keys' own"
    elif "default" in part:
        default = _literal(part["default"])
    else:
        default = "optional"
    yield f"`{key}`", allowed(part, _literal), default, part.get("description", "")
    yield from _children(key, part)


def _literal(value: object) -> str:
    """A value as YAML has it, in code type."""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def main() -> None:
    text = document()
    if sys.argv[1:] == ["--check"]:
        if not README.exists() or README.read_text() != text:
            sys.exit(
                "config/README.md is not what the schema says; write it with "
                "python workflow/schemas/document.py > config/README.md"
            )
    elif sys.argv[1:]:
        sys.exit(f"unknown arguments {' '.join(sys.argv[1:])}; allowed: --check")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
