"""Target and shadow models: one recipe for all of the pool."""


rule train_models:
    input:
        dataset="<results>/{dataset}/dataset.safetensors",
        membership="<results>/{dataset}/members-{shard}.parquet",
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
        code=code("train_models"),
        settings=lambda wildcards: {
            "identity": identity(wildcards, precision="full"),
            "recipe": training_of(config, wildcards.dataset),
            "seed": config["seed"],
        },
    message:
        "Training {wildcards.arch} on {wildcards.dataset}, shard {wildcards.shard}."
    script:
        "../scripts/train_models.py"
