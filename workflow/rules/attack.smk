"""Membership inference on the recorded answers."""


rule score_attacks:
    input:
        logits=lambda wildcards: expand(logits_of_cells([wildcards]), **wildcards),
    output:
        scores=SCORES,
    log:
        "<logs>/{dataset}/{network}/{variant}/score_attacks-{adversary}.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/{variant}/score_attacks-{adversary}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=60,
    params:
        code=code("score_attacks", "attacks of the cell"),
        shards=lambda wildcards: {
            stored: len(shards)
            for stored, shards in shards_of_cells([wildcards]).items()
        },
        settings=cell_settings,
    message:
        "Attacking {wildcards.network} on {wildcards.dataset} at {wildcards.variant} ({wildcards.adversary})."
    script:
        "../scripts/score_attacks.py"


rule measure_leakage:
    input:
        scores=SCORES,
    output:
        leakage=LEAKAGE,
        values_of_targets=VALUES,
    log:
        "<logs>/{dataset}/{network}/{variant}/measure_leakage-{adversary}.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/{variant}/measure_leakage-{adversary}.tsv"
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
            "seed": config["seed"],
        },
    message:
        "Measuring what {wildcards.network} on {wildcards.dataset} leaks at {wildcards.variant} ({wildcards.adversary})."
    script:
        "../scripts/measure_leakage.py"


rule sweep_shadow_models:
    input:
        logits=pool_logits(["full"]),
    output:
        sweep=SWEEP,
    log:
        "<logs>/{dataset}/{network}/full/sweep_shadow_models.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/full/sweep_shadow_models.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        code=code("sweep_shadow_models", "attacks"),
        settings={
            **ATTACK_SETTINGS,
            # What chooses among attacks would try them all again at each number.
            "attacks": {
                name: attack.settings
                for name, attack in STUDY.attacks.items()
                if STUDY.needed([name]) == (name,)
            },
        },
    message:
        "Attacking {wildcards.network} on {wildcards.dataset} with fewer shadow models."
    script:
        "../scripts/sweep_shadow_models.py"


rule compare_variants:
    input:
        leakage=of_each_variant(LEAKAGE),
        values_of_targets=of_each_variant(VALUES),
    output:
        comparisons=COMPARISONS,
    log:
        "<logs>/{dataset}/{network}/compare_variants.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/compare_variants.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("compare_variants"),
        settings={
            "cells": VARIANT_CELLS,
        },
    message:
        "Comparing variants and adversaries of {wildcards.network} on {wildcards.dataset}."
    script:
        "../scripts/compare_variants.py"


rule compare_calibration:
    input:
        scores=of_each_variant(SCORES, COMPRESSED_CELLS),
        logits=logits_of_targets(STUDY.variants),
    output:
        calibration=CALIBRATION,
    log:
        "<logs>/{dataset}/{network}/compare_calibration.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/compare_calibration.tsv"
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
            "cells": COMPRESSED_CELLS,
            "variants": [str(variant) for variant in STUDY.variants],
            "attack": config["attacks"]["headline"],
            "targets": STUDY.pool.targets,
            "calibration_samples": config["compression"]["calibration_samples"],
            "seed": config["seed"],
        },
    message:
        "Comparing calibration samples of {wildcards.network} on {wildcards.dataset} with other members."
    script:
        "../scripts/compare_calibration.py"


rule bound_epsilon:
    input:
        scores=of_each_variant(SCORES),
    output:
        epsilon=EPSILON,
    log:
        "<logs>/{dataset}/{network}/bound_epsilon.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/bound_epsilon.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        code=code("bound_epsilon"),
        settings=lambda wildcards: {
            "cells": VARIANT_CELLS,
            "seed": config["seed"],
            **{"delta": dp["delta"] for dp in promises(wildcards)},
        },
    message:
        "Bounding the epsilon of {wildcards.network} on {wildcards.dataset} from below."
    script:
        "../scripts/bound_epsilon.py"


rule measure_exposure:
    input:
        scores=of_each_variant(SCORES),
        logits=logits_of_targets(STUDY.variants),
        full_logits=pool_logits(["full"]),
    output:
        exposure=EXPOSURE,
        summary=EXPOSURE_SUMMARY,
    log:
        "<logs>/{dataset}/{network}/measure_exposure.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/measure_exposure.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        code=code("measure_exposure", "headline"),
        settings={
            **HEADLINE_SETTINGS,
            "cells": VARIANT_CELLS,
            "variants": [str(variant) for variant in STUDY.variants],
            "attack": config["attacks"]["headline"],
        },
    message:
        "Looking which samples of {wildcards.dataset} stay exposed in {wildcards.network}."
    script:
        "../scripts/measure_exposure.py"


rule measure_disparity:
    input:
        scores=of_each_variant(SCORES),
        dataset=DATASET,
    output:
        disparity=DISPARITY,
    log:
        "<logs>/{dataset}/{network}/measure_disparity.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/measure_disparity.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        code=code("measure_disparity"),
        settings={
            "cells": VARIANT_CELLS,
            "attack": config["attacks"]["headline"],
            "seed": config["seed"],
        },
    message:
        "Measuring which classes of {wildcards.dataset} {wildcards.network} leaks most."
    script:
        "../scripts/measure_disparity.py"


rule calibrate_thresholds:
    input:
        scores=of_each_variant(SCORES),
        logits=logits_of_cells(VARIANT_CELLS),
    output:
        thresholds=THRESHOLDS,
    log:
        "<logs>/{dataset}/{network}/calibrate_thresholds.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/calibrate_thresholds.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=240,
    params:
        code=code("calibrate_thresholds", "attacks"),
        shards={
            stored: len(shards)
            for stored, shards in shards_of_cells(VARIANT_CELLS).items()
        },
        settings={
            **ATTACK_SETTINGS,
            "cells": VARIANT_CELLS,
        },
    message:
        "Calibrating thresholds on the shadow models of {wildcards.network} on {wildcards.dataset}."
    script:
        "../scripts/calibrate_thresholds.py"
