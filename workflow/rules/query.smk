"""What models answer about every sample of the audit pool."""


rule query_logits:
    input:
        dataset=DATASET,
        membership=MEMBERS,
        checkpoints=CHECKPOINTS,
    output:
        logits=LOGITS,
    log:
        "<logs>/{dataset}/{network}/{stored}/query_logits-{shard}.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/{stored}/query_logits-{shard}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=GPU,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=240,
    params:
        code=code("query_logits", "network", "normalise", "views"),
        settings=lambda wildcards: {
            "identity": identity(wildcards, wildcards.stored),
            "queries": queries_of(config, wildcards.dataset),
            "compact": config["logits"] == "compact",
        },
    message:
        "Asking {wildcards.network} on {wildcards.dataset} at {wildcards.stored}, shard {wildcards.shard}, about every sample."
    script:
        "../scripts/query_logits.py"
