"""Membership inference on the recorded logits."""


def target_logits(wildcards):
    return expand(
        rules.query_logits.output.logits, shard=STUDY.pool.target_shards, allow_missing=True
    )


def shadow_logits(wildcards):
    """The shadow models at the precision that the adversary keeps them at."""
    precision = "full" if wildcards.adversary == "transfer" else wildcards.precision
    return expand(
        rules.query_logits.output.logits,
        dataset=wildcards.dataset,
        arch=wildcards.arch,
        precision=precision,
        shard=STUDY.pool.shards,
    )


rule score_attacks:
    message:
        "Attacking {wildcards.arch} on {wildcards.dataset} at {wildcards.precision} ({wildcards.adversary})."
    input:
        target_logits=target_logits,
        shadow_logits=shadow_logits,
    output:
        scores="<results>/{dataset}/{arch}/{precision}/scores-{adversary}.parquet",
    params:
        code=code("score_attacks"),
        settings={
            "targets": STUDY.pool.targets,
            "models": STUDY.pool.models,
            "reference": config["attacks"]["lira"]["reference"],
        },
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
    script:
        "../scripts/score_attacks.py"


rule measure_leakage:
    message:
        "Measuring what {wildcards.arch} on {wildcards.dataset} leaks at {wildcards.precision} ({wildcards.adversary})."
    input:
        scores="<results>/{dataset}/{arch}/{precision}/scores-{adversary}.parquet",
    output:
        leakage="<results>/{dataset}/{arch}/{precision}/leakage-{adversary}.parquet",
    params:
        code=code("measure_leakage"),
        settings={
            "replicates": config["attacks"]["bootstrap_replicates"],
            "seed": config["seed"],
        },
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
    script:
        "../scripts/measure_leakage.py"
