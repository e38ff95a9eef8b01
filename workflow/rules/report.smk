"""Tables and figures for people, and the captions that Snakemake's report gives them."""

QUESTIONS = {
    "leakage": "1. How much does it leak?",
    "adversaries": "2. What if the attacker adapts?",
    "exposure": "3. Which images are exposed?",
    "storage": "4. Is it the bits or the zeros?",
    "attacks": "5. How strong are the attacks?",
}

# What the conclusions and the figures of both adversaries speak of.
ATTACKS_SHOWN = list(dict.fromkeys([config["attacks"]["headline"], "rmia_online"]))


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
            category="All networks",
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


rule plot_adversaries:
    input:
        summary="<results>/tables/summary.parquet",
        comparisons="<results>/{dataset}/{arch}/comparisons.parquet",
    output:
        svg=report(
            "<results>/figures/adversaries-{dataset}-{arch}.svg",
            caption="../report/adversaries.rst",
            category="{dataset}",
            subcategory=QUESTIONS["adversaries"],
            labels={"figure": "transfer against adaptive", "network": "{arch}"},
        ),
        png="<results>/figures/adversaries-{dataset}-{arch}.png",
    log:
        "<logs>/{dataset}/{arch}/plot_adversaries.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/plot_adversaries.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("plot_adversaries"),
        attacks=ATTACKS_SHOWN,
        title="{dataset}, {arch}",
    message:
        "Drawing transfer against adaptive for {wildcards.arch} on {wildcards.dataset}."
    script:
        "../scripts/plot_adversaries.py"


rule plot_exposure:
    input:
        summary="<results>/tables/summary.parquet",
        dataset="<results>/{dataset}/dataset.safetensors",
        summaries=expand(
            "<results>/{dataset}/{arch}/exposure-summary-{adversary}.parquet",
            adversary=STUDY.adversaries,
            allow_missing=True,
        ),
        # Of the adversary who knows most.
        exposure=f"<results>/{{dataset}}/{{arch}}/exposure-{STUDY.adversaries[-1]}.parquet",
    output:
        svg=report(
            "<results>/figures/exposure-{dataset}-{arch}.svg",
            caption="../report/exposure.rst",
            category="{dataset}",
            subcategory=QUESTIONS["exposure"],
            labels={"figure": "exposure by rank and precision", "network": "{arch}"},
        ),
        png="<results>/figures/exposure-{dataset}-{arch}.png",
        sheet_svg=report(
            "<results>/figures/exposed-{dataset}-{arch}.svg",
            caption="../report/contact_sheet.rst",
            category="{dataset}",
            subcategory=QUESTIONS["exposure"],
            labels={"figure": "the most exposed images", "network": "{arch}"},
        ),
        sheet_png="<results>/figures/exposed-{dataset}-{arch}.png",
    log:
        "<logs>/{dataset}/{arch}/plot_exposure.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/plot_exposure.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=30,
    params:
        code=code("plot_exposure"),
        adversaries=STUDY.adversaries,
        title="{dataset}, {arch}",
    message:
        "Drawing which images of {wildcards.dataset} stay exposed in {wildcards.arch}."
    script:
        "../scripts/plot_exposure.py"


rule conclude:
    input:
        summary="<results>/tables/summary.parquet",
        comparisons=of_each_network("<results>/{dataset}/{arch}/comparisons.parquet"),
        calibration=of_each_network("<results>/{dataset}/{arch}/calibration.parquet"),
        sweeps=of_each_network("<results>/{dataset}/{arch}/full/shadow-sweep.parquet"),
        exposures=of_each_network(
            "<results>/{dataset}/{arch}/exposure-summary-{adversary}.parquet",
            adversary=STUDY.adversaries,
        ),
        thresholds=THRESHOLDS,
    output:
        conclusions_html=report(
            "<results>/tables/conclusions.html",
            caption="../report/conclusions.rst",
            category="All networks",
            labels={"page": "What can be concluded"},
        ),
        conclusions_markdown="<results>/tables/conclusions.md",
        summary_html=report(
            "<results>/tables/summary.html",
            caption="../report/summary.rst",
            category="All networks",
            labels={"page": "Summary table"},
        ),
        adversaries_html=report(
            "<results>/tables/adversaries.html",
            caption="../report/adversaries_table.rst",
            category="All networks",
            labels={"page": "Transfer against adaptive, table"},
        ),
        adversaries_csv="<results>/tables/adversaries.csv",
        adversaries_markdown="<results>/tables/adversaries.md",
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
        settings={
            "networks": [
                (dataset, arch)
                for dataset in STUDY.datasets
                for arch in STUDY.architectures
            ],
            "adversaries": STUDY.adversaries,
            "attacks": ATTACKS_SHOWN,
        },
    message:
        "Writing what can be concluded."
    script:
        "../scripts/conclude.py"
