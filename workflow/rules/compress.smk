"""Every compression's recipe, on every model that an attack needs."""


rule compress_models:
    input:
        dataset=DATASET,
        membership=MEMBERS,
        checkpoints=TRAINED,
    output:
        checkpoints="<results>/{dataset}/{network}/{compressed}/shard-{shard}.safetensors",
    log:
        "<logs>/{dataset}/{network}/{compressed}/compress_models-{shard}.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/{compressed}/compress_models-{shard}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=lambda wildcards, attempt: 16000 * attempt,
        runtime=1440,
    params:
        code=code("compress_models", "network", "compression", "normalise"),
        settings=compression_settings,
    message:
        "Compressing {wildcards.network} on {wildcards.dataset} to {wildcards.compressed}, shard {wildcards.shard}."
    script:
        "../scripts/compress_models.py"
