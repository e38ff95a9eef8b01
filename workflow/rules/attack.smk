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
        mem_mb=2000,
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
    log:
        "<logs>/{dataset}/{arch}/{precision}/measure_leakage-{adversary}.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/{precision}/measure_leakage-{adversary}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=4000,
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
        mem_mb=4000,
        runtime=60,
    params:
        code=code("sweep_shadow_models"),
        settings={**ATTACK_SETTINGS, "seed": config["seed"]},
    message:
        "Attacking {wildcards.arch} on {wildcards.dataset} with fewer shadow models."
    script:
        "../scripts/sweep_shadow_models.py"
