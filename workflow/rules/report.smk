"""Tables and figures for people, and the captions that Snakemake's report gives them."""


rule summarize:
    input:
        leakage=of_each_cell(rules.measure_leakage.output.leakage),
        checkpoints=[path for cell in CELLS for path in checkpoints_of(cell)],
    output:
        parquet="<results>/tables/summary.parquet",
        csv=report(
            "<results>/tables/summary.csv",
            caption="../report/summary.rst",
            category="Tables",
            labels={"table": "summary"},
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
        mem_mb=4000,
        runtime=30,
    params:
        code=code("summarize"),
        settings={
            "cells": CELLS,
            "headline": config["attacks"]["headline"],
            "targets": STUDY.pool.targets,
            "shadow_models": STUDY.pool.shadow_models,
        },
    message:
        "Writing the summary tables."
    script:
        "../scripts/summarize.py"


rule plot_roc:
    input:
        scores=scores_for_roc,
    output:
        svg=report(
            "<results>/figures/roc-{dataset}-{arch}-{adversary}.svg",
            caption="../report/roc.rst",
            category="{dataset}",
            subcategory="{arch}",
            labels={"figure": "ROC", "shadow models": "{adversary}"},
        ),
        png="<results>/figures/roc-{dataset}-{arch}-{adversary}.png",
    log:
        "<logs>/{dataset}/{arch}/plot_roc-{adversary}.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/plot_roc-{adversary}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=4000,
        runtime=30,
    params:
        code=code("plot_roc"),
        precisions=[str(precision) for precision in STUDY.precisions],
        attack=config["attacks"]["headline"],
        title="{dataset}, {arch}, {adversary} shadow models",
    message:
        "Drawing the ROC of {wildcards.arch} on {wildcards.dataset} ({wildcards.adversary})."
    script:
        "../scripts/plot_roc.py"


rule plot_tradeoff:
    input:
        summary="<results>/tables/summary.parquet",
    output:
        svg=report(
            "<results>/figures/tradeoff-{dataset}-{arch}.svg",
            caption="../report/tradeoff.rst",
            category="{dataset}",
            subcategory="{arch}",
            labels={"figure": "leakage against accuracy", "shadow models": "all"},
        ),
        png="<results>/figures/tradeoff-{dataset}-{arch}.png",
    log:
        "<logs>/{dataset}/{arch}/plot_tradeoff.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/plot_tradeoff.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=4000,
        runtime=30,
    params:
        code=code("plot_tradeoff"),
        attack=config["attacks"]["headline"],
    message:
        "Drawing leakage against accuracy of {wildcards.arch} on {wildcards.dataset}."
    script:
        "../scripts/plot_tradeoff.py"
