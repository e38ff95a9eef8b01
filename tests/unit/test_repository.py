"""What a repository says of itself, to people and to machines."""

import re
from datetime import date
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def read(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_citation_has_what_its_format_requires_and_the_paper():
    citation = read("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["authors"] == [{"name": "the ptq-privacy authors"}]
    assert {"title", "message", "license"} <= citation.keys()
    (paper,) = citation["references"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert paper["url"].endswith("/2512.15335")
    assert paper["date-released"] == date(2025, 12, 17)
    assert [author["family-names"] for author in paper["authors"]] == [
        "Zhang",
        "Qu",
        "Li",
        "Zhang",
        "Pang",
        "Mauw",
    ]


def test_the_licence_is_the_citations():
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith(f"{read('CITATION.cff')['license']} License\n")
    assert "Copyright (c) 2025-2026 the ptq-privacy authors" in text


def test_the_catalogs_entry_promises_what_the_rules_say():
    usage = read(".snakemake-workflow-catalog.yml")["usage"]
    rules = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    jobs = rules.count("    script:\n")
    conda = rules.count('    conda:\n        "../../envs/environment.yaml"\n')
    assert usage["software-stack-deployment"]["conda"] == (conda == jobs > 0)
    assert usage["software-stack-deployment"]["apptainer"] == ("container:" in rules)
    assert usage["report"] == ("report(" in rules)
    assert not usage["mandatory-flags"]["flags"]


def test_links_between_documents_lead_somewhere():
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "config" / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
