"""Target and shadow models: one recipe for all of the pool."""


rule check_network:
    input:
        dataset="<results>/{dataset}/dataset.safetensors",
    output:
        network="<results>/{dataset}/{arch}/network.json",
    log:
        "<logs>/{dataset}/{arch}/check_network.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/check_network.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=4000,
        runtime=30,
    params:
        code=code_of_network("check_network"),
        settings=lambda wildcards: {
            "factory": STUDY.factories[wildcards.arch],
            "quantized": any(precision.quantized for precision in STUDY.precisions),
        },
    message:
        "Trying {wildcards.arch} on {wildcards.dataset} before it is trained."
    script:
        "../scripts/check_network.py"


rule train_models:
    input:
        dataset="<results>/{dataset}/dataset.safetensors",
        membership="<results>/{dataset}/members-{shard}.parquet",
        network=own_network,
    output:
        checkpoints="<results>/{dataset}/{arch}/full/shard-{shard}.safetensors",
    log:
        "<logs>/{dataset}/{arch}/full/train_models-{shard}.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/full/train_models-{shard}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=1440,
    params:
        code=code_of_network("train_models"),
        settings=lambda wildcards: {
            "identity": identity(wildcards, precision="full"),
            "factory": STUDY.factories[wildcards.arch],
            "recipe": training_of(config, wildcards.dataset),
            "seed": config["seed"],
        },
    message:
        "Training {wildcards.arch} on {wildcards.dataset}, shard {wildcards.shard}."
    script:
        "../scripts/train_models.py"
