"""Tables for people, and the report."""

SIZED_CELLS = [
    cell for cell in CELLS if any(cell["network"] in own for own in FAMILIES.values())
]


rule summarize:
    input:
        leakage=of_each_cell(LEAKAGE),
        epsilon=of_each_network(EPSILON),
        checkpoints=[path for cell in CELLS for path in checkpoints_of(cell)],
    output:
        parquet=SUMMARY,
        csv=report(
            "<results>/tables/summary.csv",
            caption="../report/summary.rst",
            category="The answer",
            labels={"page": "Summary table as CSV, to download"},
        ),
        markdown="<results>/tables/summary.md",
    log:
        "<logs>/summarize.log",
    benchmark:
        "<benchmarks>/summarize.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("summarize"),
        titles=TITLES,
        settings={
            "cells": CELLS,
            "networks": NETWORKS,
            "headline": config["attacks"]["headline"],
            "targets": STUDY.pool.targets,
            "shadow_models": STUDY.pool.shadow_models,
        },
    message:
        "Writing the summary tables."
    script:
        "../scripts/summarize.py"


rule compare_methods:
    input:
        leakage=of_each_cell(LEAKAGE),
        values_of_targets=of_each_cell(VALUES),
        checkpoints=[path for cell in CELLS for path in checkpoints_of(cell)],
    output:
        parquet=METHODS,
        csv=report(
            "<results>/tables/methods.csv",
            caption="../report/methods_table.rst",
            category="The answer",
            labels={"page": "Method against method as CSV, to download"},
        ),
    log:
        "<logs>/compare_methods.log",
    benchmark:
        "<benchmarks>/compare_methods.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("compare_methods"),
        settings={
            "cells": CELLS,
            "targets": STUDY.pool.targets,
            "attacks": ATTACKS_SHOWN,
        },
    message:
        "Comparing methods at equal bits and at equal accuracy."
    script:
        "../scripts/compare_methods.py"


rule compare_scale:
    input:
        leakage=[path for cell in SIZED_CELLS for path in expand(LEAKAGE, **cell)],
        values_of_targets=[
            path for cell in SIZED_CELLS for path in expand(VALUES, **cell)
        ],
        checkpoints=[path for cell in SIZED_CELLS for path in checkpoints_of(cell)],
        tried=[path for place in SIZED for path in expand(TRIED, **place)],
    output:
        parquet=SCALE,
        csv=report(
            "<results>/tables/scale.csv",
            caption="../report/scale_table.rst",
            category="The answer",
            labels={"page": "Networks by their size as CSV, to download"},
        ),
    log:
        "<logs>/compare_scale.log",
    benchmark:
        "<benchmarks>/compare_scale.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("compare_scale"),
        settings={
            "cells": SIZED_CELLS,
            "networks": SIZED,
            "targets": STUDY.pool.targets,
            "attacks": ATTACKS_SHOWN,
        },
    message:
        "Comparing networks that are alike but for their size."
    script:
        "../scripts/compare_scale.py"


rule conclude:
    input:
        summary=SUMMARY,
        comparisons=ALL_COMPARISONS,
        methods=ALL_METHODS,
        calibration=CALIBRATIONS,
        sweeps=of_each_network(SWEEP),
        exposures=of_each_network(EXPOSURE_SUMMARY),
        disparities=of_each_network(DISPARITY),
        thresholds=ALL_THRESHOLDS,
        scale=ALL_SCALES,
        svg=[reported(shown, "svg") for shown in REPORTED],
        png=[reported(shown, "png") for shown in REPORTED],
    output:
        report=report(
            "<results>/report.html",
            caption="../report/report.rst",
            category="The answer",
            labels={"page": "What each network gives away"},
        ),
        conclusions_markdown="<results>/tables/conclusions.md",
        adversaries_csv=report(
            "<results>/tables/adversaries.csv",
            caption="../report/adversaries_table.rst",
            category="The answer",
            labels={"page": "Adversary against adversary as CSV, to download"},
        ),
        adversaries_markdown="<results>/tables/adversaries.md",
        mismatch_parquet="<results>/tables/mismatch.parquet",
        mismatch_csv=report(
            "<results>/tables/mismatch.csv",
            caption="../report/mismatch_table.rst",
            category="The answer",
            labels={"page": "The attacker's mismatch as CSV, to download"},
        ),
    log:
        "<logs>/conclude.log",
    benchmark:
        "<benchmarks>/conclude.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("conclude"),
        titles=TITLES,
        captions=CAPTIONS,
        settings={
            "study": config["study"],
            "networks": NETWORKS,
            "attacks": ATTACKS_SHOWN,
            "margin": config["attacks"]["margin"],
            "figures": REPORTED,
        },
    message:
        "Writing the report and what can be concluded."
    script:
        "../scripts/conclude.py"
