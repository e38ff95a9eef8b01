"""Which samples there are, and which model may see which."""


rule prepare_dataset:
    output:
        dataset=DATASET,
    log:
        "<logs>/{dataset}/prepare_dataset.log",
    benchmark:
        "<benchmarks>/{dataset}/prepare_dataset.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=120,
    params:
        code=code("prepare_dataset", "source", "check", "normalise"),
        settings=source_settings,
        published=published,
    message:
        "Preparing the samples of {wildcards.dataset}."
    script:
        "../scripts/prepare_dataset.py"


rule assign_members:
    input:
        dataset=DATASET,
    output:
        membership=MEMBERS,
    log:
        "<logs>/{dataset}/assign_members-{shard}.log",
    benchmark:
        "<benchmarks>/{dataset}/assign_members-{shard}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        code=code("assign_members"),
        settings=lambda wildcards: {
            "models": STUDY.pool.models_in(wildcards.shard),
            "seed": config["seed"],
        },
    # A file a shard, so that more models make more files and touch none.
    message:
        "Drawing the halves of {wildcards.dataset} for the models of shard {wildcards.shard}."
    script:
        "../scripts/assign_members.py"


rule tabulate_members:
    input:
        membership=expand(MEMBERS, shard=STUDY.pool.shards, allow_missing=True),
    output:
        membership=MEMBERSHIP,
    log:
        "<logs>/{dataset}/tabulate_members.log",
    benchmark:
        "<benchmarks>/{dataset}/tabulate_members.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=30,
    params:
        code=code("tabulate_members"),
    message:
        "Listing who was trained on what in {wildcards.dataset}."
    script:
        "../scripts/tabulate_members.py"
