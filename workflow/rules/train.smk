"""Target and shadow models: one recipe for all of the pool."""


rule check_network:
    # Its digest is training's: what is trained again is tried again first, and nothing else is.
    input:
        dataset=DATASET,
    output:
        network=TRIED,
    log:
        "<logs>/{dataset}/{network}/check_network.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/check_network.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("train_models", "network", "normalise", "augment", "training"),
        settings=lambda wildcards: {
            **network_settings(wildcards),
            **particular_training(wildcards),
        },
    message:
        "Trying {wildcards.network} on {wildcards.dataset} before it is trained."
    script:
        "../scripts/check_network.py"


rule train_models:
    input:
        dataset=DATASET,
        membership=MEMBERS,
        network=TRIED,
    output:
        checkpoints=TRAINED,
    log:
        "<logs>/{dataset}/{network}/full/train_models-{shard}.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/full/train_models-{shard}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=1440,
    params:
        code=code("train_models", "network", "normalise", "augment", "training"),
        settings=lambda wildcards: {
            "identity": identity(wildcards, "full"),
            **network_settings(wildcards),
            **training_settings(wildcards),
            "seed": config["seed"],
        },
    message:
        "Training {wildcards.network} on {wildcards.dataset}, shard {wildcards.shard}."
    script:
        "../scripts/train_models.py"
