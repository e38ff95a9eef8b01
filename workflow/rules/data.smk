"""Which images there are, and which model may see which."""


def source_settings(wildcards):
    """How a data set is prepared; nothing of how it is used."""
    settings = dict(config["datasets"][wildcards.dataset])
    settings.pop("training", None)
    return {"name": wildcards.dataset, "seed": config["seed"], **settings}


rule prepare_dataset:
    message:
        "Preparing the images of {wildcards.dataset}."
    output:
        dataset="<results>/{dataset}/dataset.safetensors",
    params:
        code=code("prepare_dataset"),
        settings=source_settings,
    log:
        "<logs>/{dataset}/prepare_dataset.log",
    benchmark:
        "<benchmarks>/{dataset}/prepare_dataset.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=4000,
        runtime=120,
    script:
        "../scripts/prepare_dataset.py"


rule assign_members:
    # A file a shard, so that more models make more files and touch none.
    message:
        "Drawing the halves of {wildcards.dataset} for the models of shard {wildcards.shard}."
    input:
        dataset="<results>/{dataset}/dataset.safetensors",
    output:
        membership="<results>/{dataset}/members-{shard}.parquet",
    params:
        code=code("assign_members"),
        settings=lambda wildcards: {
            "models": STUDY.pool.models_in(wildcards.shard),
            "seed": config["seed"],
        },
    log:
        "<logs>/{dataset}/assign_members-{shard}.log",
    benchmark:
        "<benchmarks>/{dataset}/assign_members-{shard}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=30,
    script:
        "../scripts/assign_members.py"


rule tabulate_members:
    message:
        "Listing who was trained on what in {wildcards.dataset}."
    input:
        membership=expand(
            rules.assign_members.output.membership, shard=STUDY.pool.shards, allow_missing=True
        ),
    output:
        membership="<results>/{dataset}/membership.parquet",
    params:
        code=code("tabulate_members"),
    log:
        "<logs>/{dataset}/tabulate_members.log",
    benchmark:
        "<benchmarks>/{dataset}/tabulate_members.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=30,
    script:
        "../scripts/tabulate_members.py"
