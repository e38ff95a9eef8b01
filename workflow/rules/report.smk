"""Tables and figures for people, and the captions that Snakemake's report gives them."""

QUESTIONS = {
    "leakage": "1. How much does it leak?",
    "adversaries": "2. What if the attacker adapts?",
    "exposure": "3. Which images are exposed?",
    "storage": "4. Is it the bits or the zeros?",
    "attacks": "5. How strong are the attacks?",
}


rule summarize:
    input:
        leakage=of_each_cell(
            "<results>/{dataset}/{arch}/{precision}/leakage-{adversary}.parquet"
        ),
        checkpoints=[path for cell in CELLS for path in checkpoints_of(cell)],
        comparisons=of_each_network("<results>/{dataset}/{arch}/comparisons.parquet"),
        calibration=CALIBRATION,
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
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("summarize"),
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


rule plot_roc:
    input:
        scores=scores_of_precisions,
    output:
        svg=report(
            "<results>/figures/roc-{dataset}-{arch}-{adversary}.svg",
            caption="../report/roc.rst",
            category="{dataset}",
            subcategory=QUESTIONS["leakage"],
            labels={"figure": "ROC, {adversary} shadow models", "network": "{arch}"},
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
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
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
            subcategory=QUESTIONS["leakage"],
            labels={"figure": "leakage against accuracy", "network": "{arch}"},
        ),
        png="<results>/figures/tradeoff-{dataset}-{arch}.png",
        storage_svg=report(
            "<results>/figures/storage-{dataset}-{arch}.svg",
            caption="../report/storage.rst",
            category="{dataset}",
            subcategory=QUESTIONS["storage"],
            labels={"figure": "leakage against storage", "network": "{arch}"},
        ),
        storage_png="<results>/figures/storage-{dataset}-{arch}.png",
    log:
        "<logs>/{dataset}/{arch}/plot_tradeoff.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/plot_tradeoff.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("plot_tradeoff"),
        attack=config["attacks"]["headline"],
    message:
        "Drawing leakage against accuracy and storage of {wildcards.arch} on {wildcards.dataset}."
    script:
        "../scripts/plot_tradeoff.py"


rule plot_sweep:
    input:
        sweep="<results>/{dataset}/{arch}/full/shadow-sweep.parquet",
    output:
        svg=report(
            "<results>/figures/sweep-{dataset}-{arch}.svg",
            caption="../report/sweep.rst",
            category="{dataset}",
            subcategory=QUESTIONS["attacks"],
            labels={"figure": "attacks with fewer shadow models", "network": "{arch}"},
        ),
        png="<results>/figures/sweep-{dataset}-{arch}.png",
    log:
        "<logs>/{dataset}/{arch}/plot_sweep.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/plot_sweep.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("plot_sweep"),
        title="{dataset}, {arch}",
    message:
        "Drawing leakage of {wildcards.arch} on {wildcards.dataset} against the number of shadow models."
    script:
        "../scripts/plot_sweep.py"
