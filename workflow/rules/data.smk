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
    message:
        "Drawing the members of each model's half of {wildcards.dataset}."
    input:
        dataset="<results>/{dataset}/dataset.safetensors",
    output:
        membership="<results>/{dataset}/membership.parquet",
    params:
        code=code("assign_members"),
        settings={"models": STUDY.pool.models, "seed": config["seed"]},
    log:
        "<logs>/{dataset}/assign_members.log",
    benchmark:
        "<benchmarks>/{dataset}/assign_members.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=30,
    script:
        "../scripts/assign_members.py"
