"""Membership inference on the recorded logits."""


rule score_attacks:
    input:
        target_logits=target_logits,
        shadow_logits=shadow_logits,
    output:
        scores="<results>/{dataset}/{arch}/{precision}/scores-{adversary}.parquet",
    log:
        "<logs>/{dataset}/{arch}/{precision}/score_attacks-{adversary}.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/{precision}/score_attacks-{adversary}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=60,
    params:
        code=code("score_attacks"),
        settings=ATTACK_SETTINGS,
    message:
        "Attacking {wildcards.arch} on {wildcards.dataset} at {wildcards.precision} ({wildcards.adversary})."
    script:
        "../scripts/score_attacks.py"


rule measure_leakage:
    input:
        scores="<results>/{dataset}/{arch}/{precision}/scores-{adversary}.parquet",
    output:
        leakage="<results>/{dataset}/{arch}/{precision}/leakage-{adversary}.parquet",
        replicates="<results>/{dataset}/{arch}/{precision}/replicates-{adversary}.parquet",
    log:
        "<logs>/{dataset}/{arch}/{precision}/measure_leakage-{adversary}.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/{precision}/measure_leakage-{adversary}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        code=code("measure_leakage"),
        settings={
            "replicates": config["attacks"]["bootstrap_replicates"],
            "seed": config["seed"],
        },
    message:
        "Measuring what {wildcards.arch} on {wildcards.dataset} leaks at {wildcards.precision} ({wildcards.adversary})."
    script:
        "../scripts/measure_leakage.py"


rule sweep_shadow_models:
    input:
        logits=expand(
            "<results>/{dataset}/{arch}/full/logits-{shard}.parquet",
            shard=STUDY.pool.shards,
            allow_missing=True,
        ),
    output:
        sweep="<results>/{dataset}/{arch}/full/shadow-sweep.parquet",
    log:
        "<logs>/{dataset}/{arch}/full/sweep_shadow_models.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/full/sweep_shadow_models.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        code=code("sweep_shadow_models"),
        settings={**ATTACK_SETTINGS, "seed": config["seed"]},
    message:
        "Attacking {wildcards.arch} on {wildcards.dataset} with fewer shadow models."
    script:
        "../scripts/sweep_shadow_models.py"


rule compare_precisions:
    input:
        leakage=of_each_precision(
            "<results>/{dataset}/{arch}/{precision}/leakage-{adversary}.parquet"
        ),
        replicates=of_each_precision(
            "<results>/{dataset}/{arch}/{precision}/replicates-{adversary}.parquet"
        ),
    output:
        comparisons="<results>/{dataset}/{arch}/comparisons.parquet",
    log:
        "<logs>/{dataset}/{arch}/compare_precisions.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/compare_precisions.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("compare_precisions"),
        settings={
            "cells": PRECISION_CELLS,
        },
    message:
        "Comparing precisions and adversaries of {wildcards.arch} on {wildcards.dataset}."
    script:
        "../scripts/compare_precisions.py"


rule compare_calibration:
    input:
        scores=of_each_quantized(
            "<results>/{dataset}/{arch}/{precision}/scores-{adversary}.parquet"
        ),
    output:
        calibration="<results>/{dataset}/{arch}/calibration.parquet",
    log:
        "<logs>/{dataset}/{arch}/compare_calibration.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/compare_calibration.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        code=code("compare_calibration"),
        settings={
            "cells": QUANTIZED_CELLS,
            "attack": config["attacks"]["headline"],
            "calibration_samples": config["quantization"]["calibration_samples"],
            "seed": config["seed"],
            "replicates": config["attacks"]["bootstrap_replicates"],
        },
    message:
        "Comparing calibration samples of {wildcards.arch} on {wildcards.dataset} with other members."
    script:
        "../scripts/compare_calibration.py"


rule measure_exposure:
    input:
        scores=scores_of_precisions,
        full_logits=full_logits,
    output:
        exposure="<results>/{dataset}/{arch}/exposure-{adversary}.parquet",
        summary="<results>/{dataset}/{arch}/exposure-summary-{adversary}.parquet",
    log:
        "<logs>/{dataset}/{arch}/measure_exposure-{adversary}.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/measure_exposure-{adversary}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        code=code("measure_exposure"),
        settings={
            "precisions": [str(precision) for precision in STUDY.precisions],
            "attack": config["attacks"]["headline"],
            **ATTACK_SETTINGS,
            "seed": config["seed"],
            "replicates": config["attacks"]["bootstrap_replicates"],
        },
    message:
        "Looking which samples of {wildcards.dataset} stay exposed in {wildcards.arch} ({wildcards.adversary})."
    script:
        "../scripts/measure_exposure.py"


rule calibrate_thresholds:
    input:
        scores=of_each_precision(
            "<results>/{dataset}/{arch}/{precision}/scores-{adversary}.parquet"
        ),
        logits=[
            f"<results>/{{dataset}}/{{arch}}/{precision}/logits-{shard}.parquet"
            for precision in POOL_PRECISIONS
            for shard in STUDY.pool.shards
        ],
    output:
        thresholds="<results>/{dataset}/{arch}/thresholds.parquet",
    log:
        "<logs>/{dataset}/{arch}/calibrate_thresholds.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/calibrate_thresholds.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=240,
    params:
        code=code("calibrate_thresholds"),
        pools=POOL_PRECISIONS,
        settings={
            "cells": PRECISION_CELLS,
            **ATTACK_SETTINGS,
            "seed": config["seed"],
            "replicates": config["attacks"]["bootstrap_replicates"],
        },
    message:
        "Calibrating thresholds on the shadow models of {wildcards.arch} on {wildcards.dataset}."
    script:
        "../scripts/calibrate_thresholds.py"
