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
        settings={
            "targets": STUDY.pool.targets,
            "models": STUDY.pool.models,
            "lira_reference": config["attacks"]["lira"]["reference"],
            "rmia_gamma": config["attacks"]["rmia"]["gamma"],
            "rmia_a": config["attacks"]["rmia"]["a"],
        },
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
