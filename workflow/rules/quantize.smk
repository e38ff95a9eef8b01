"""Every recipe of post-training quantization, on every model that an attack needs."""


rule quantize_models:
    input:
        dataset="<results>/{dataset}/dataset.safetensors",
        membership="<results>/{dataset}/members-{shard}.parquet",
        checkpoints="<results>/{dataset}/{arch}/full/shard-{shard}.safetensors",
    output:
        checkpoints="<results>/{dataset}/{arch}/{quantized}/shard-{shard}.safetensors",
    log:
        "<logs>/{dataset}/{arch}/{quantized}/quantize_models-{shard}.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/{quantized}/quantize_models-{shard}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=lambda wildcards, attempt: 16000 * attempt,
        runtime=1440,
    params:
        code=code_of_network("quantize_models"),
        settings=quantization_settings,
    message:
        "Quantizing {wildcards.arch} on {wildcards.dataset} to {wildcards.quantized}, shard {wildcards.shard}."
    script:
        "../scripts/quantize_models.py"


rule query_logits:
    input:
        dataset="<results>/{dataset}/dataset.safetensors",
        membership="<results>/{dataset}/members-{shard}.parquet",
        checkpoints="<results>/{dataset}/{arch}/{precision}/shard-{shard}.safetensors",
    output:
        logits="<results>/{dataset}/{arch}/{precision}/logits-{shard}.parquet",
    log:
        "<logs>/{dataset}/{arch}/{precision}/query_logits-{shard}.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/{precision}/query_logits-{shard}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=240,
    params:
        code=code_of_network("query_logits"),
        settings=lambda wildcards: {
            "identity": identity(wildcards),
            "factory": STUDY.factories[wildcards.arch],
            "queries": config["queries"],
            "logits": config["logits"],
        },
    message:
        "Asking {wildcards.arch} on {wildcards.dataset} at {wildcards.precision}, shard {wildcards.shard}, about every sample."
    script:
        "../scripts/query_logits.py"
