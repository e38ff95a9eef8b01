"""Every recipe of post-training quantization, on every model that an attack needs."""


def quantization_settings(wildcards):
    """What a recipe's result depends on: the shared settings and its own method's."""
    quantization = config["quantization"]
    method = Precision.parse(wildcards.quantized).method
    return {
        "identity": identity(wildcards, precision=wildcards.quantized),
        "calibration_samples": quantization["calibration_samples"],
        "method": quantization.get(method, {}),
        "seed": config["seed"],
    }


rule quantize_models:
    message:
        "Quantizing {wildcards.arch} on {wildcards.dataset} to {wildcards.quantized}, shard {wildcards.shard}."
    input:
        dataset="<results>/{dataset}/dataset.safetensors",
        membership="<results>/{dataset}/members-{shard}.parquet",
        checkpoints="<results>/{dataset}/{arch}/full/shard-{shard}.safetensors",
    output:
        checkpoints="<results>/{dataset}/{arch}/{quantized}/shard-{shard}.safetensors",
    params:
        code=code("quantize_models"),
        settings=quantization_settings,
    log:
        "<logs>/{dataset}/{arch}/{quantized}/quantize_models-{shard}.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/{quantized}/quantize_models-{shard}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=16000,
        runtime=720,
    script:
        "../scripts/quantize_models.py"


rule query_logits:
    message:
        "Asking {wildcards.arch} on {wildcards.dataset} at {wildcards.precision}, shard {wildcards.shard}, about every sample."
    input:
        dataset="<results>/{dataset}/dataset.safetensors",
        membership="<results>/{dataset}/members-{shard}.parquet",
        checkpoints="<results>/{dataset}/{arch}/{precision}/shard-{shard}.safetensors",
    output:
        logits="<results>/{dataset}/{arch}/{precision}/logits-{shard}.parquet",
    params:
        code=code("query_logits"),
        settings=lambda wildcards: {
            "identity": identity(wildcards),
            "queries": config["queries"],
        },
    log:
        "<logs>/{dataset}/{arch}/{precision}/query_logits-{shard}.log",
    benchmark:
        "<benchmarks>/{dataset}/{arch}/{precision}/query_logits-{shard}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=8000,
        runtime=240,
    script:
        "../scripts/query_logits.py"
