"""Figures, the questions that they answer, and the captions that the report gives them."""

QUESTIONS = {
    "leakage": "1. How much does it leak?",
    "adversaries": "2. What if the attacker knows more?",
    "exposure": "3. Which samples are exposed?",
    "storage": "4. Is it the bits or the zeros?",
    "attacks": "5. How strong are the attacks?",
    "scale": "6. Does the size of the network matter?",
}

# Of each figure of a network: the question it answers, and its title.
FIGURES = {
    "tradeoff": ("leakage", "leakage against accuracy"),
    "adversaries": ("adversaries", "adversary against adversary"),
    "exposure": ("exposure", "exposure by rank and variant"),
    "exposed": ("exposure", "the most exposed samples"),
    "storage": ("storage", "leakage against storage"),
    "sweep": ("attacks", "attacks with fewer shadow models"),
}
if not (COMPRESSED_CELLS and len(STUDY.adversaries) > 1):
    del FIGURES["adversaries"]

# As the report shows them, a network after the other.
REPORTED = [
    {**place, "name": name, "question": QUESTIONS[question], "title": title}
    for place in NETWORKS
    for name, question, title in [
        ("tradeoff", *FIGURES["tradeoff"]),
        *(
            (f"roc-{adversary}", "leakage", f"ROC, to the {adversary} adversary")
            for adversary in STUDY.adversaries
        ),
        *((name, *FIGURES[name]) for name in list(FIGURES)[1:]),
    ]
]

# Of each family of networks, beneath those of each network.
REPORTED += [
    {
        "dataset": dataset,
        "network": family,
        "name": "scale",
        "question": QUESTIONS["scale"],
        "heading": f"{members[0]} to {members[-1]}",
        "title": "leakage by size",
    }
    for dataset in STUDY.datasets
    for family, members in FAMILIES.items()
]
# What a figure shows and how to read it; Snakemake's report has the same.
CAPTIONS = {
    name: (Path(workflow.current_basedir).parent / f"report/{name}.rst").read_text()
    for name in ["roc", "scale", *FIGURES]
}

# An edit of a title is drawn again.
TITLES = {**STUDY.method_titles, **STUDY.score_titles}

# What the conclusions and the figures of adversaries speak of.
ATTACKS_SHOWN = [
    config["attacks"]["headline"],
    *({"rmia_online"} & set(STUDY.scores) - {config["attacks"]["headline"]}),
]


rule plot_roc:
    input:
        scores=scores_of_variants,
        trained=lambda wildcards: (
            expand(TRAINED, shard=STUDY.pool.shards[0], **wildcards)
            if promises(wildcards)
            else []
        ),
    output:
        svg=report(
            roc("svg"),
            caption="../report/roc.rst",
            category="{dataset}",
            subcategory=QUESTIONS["leakage"],
            labels={
                "figure": "ROC, to the {adversary} adversary",
                "network": "{network}",
            },
        ),
        png=roc("png"),
    log:
        "<logs>/{dataset}/{network}/plot_roc-{adversary}.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/plot_roc-{adversary}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("plot_roc"),
        titles=TITLES,
        variants=[str(variant) for variant in STUDY.variants],
        attack=config["attacks"]["headline"],
        title="{dataset}, {network}, to the {adversary} adversary",
    message:
        "Drawing the ROC of {wildcards.network} on {wildcards.dataset} ({wildcards.adversary})."
    script:
        "../scripts/plot_roc.py"


rule plot_tradeoff:
    input:
        summary=SUMMARY,
    output:
        svg=report(
            figure("tradeoff", "svg"),
            caption="../report/tradeoff.rst",
            category="{dataset}",
            subcategory=QUESTIONS["leakage"],
            labels={"figure": FIGURES["tradeoff"][1], "network": "{network}"},
        ),
        png=figure("tradeoff", "png"),
        storage_svg=report(
            figure("storage", "svg"),
            caption="../report/storage.rst",
            category="{dataset}",
            subcategory=QUESTIONS["storage"],
            labels={"figure": FIGURES["storage"][1], "network": "{network}"},
        ),
        storage_png=figure("storage", "png"),
    log:
        "<logs>/{dataset}/{network}/plot_tradeoff.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/plot_tradeoff.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("plot_tradeoff"),
        titles=TITLES,
        attack=config["attacks"]["headline"],
    message:
        "Drawing leakage against accuracy and storage of {wildcards.network} on {wildcards.dataset}."
    script:
        "../scripts/plot_tradeoff.py"


rule plot_sweep:
    input:
        sweep=SWEEP,
        membership=MEMBERSHIP,
    output:
        svg=report(
            figure("sweep", "svg"),
            caption="../report/sweep.rst",
            category="{dataset}",
            subcategory=QUESTIONS["attacks"],
            labels={
                "figure": FIGURES["sweep"][1],
                "network": "{network}",
            },
        ),
        png=figure("sweep", "png"),
    log:
        "<logs>/{dataset}/{network}/plot_sweep.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/plot_sweep.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("plot_sweep"),
        titles=STUDY.score_titles,
        title="{dataset}, {network}",
    message:
        "Drawing leakage of {wildcards.network} on {wildcards.dataset} against the number of shadow models."
    script:
        "../scripts/plot_sweep.py"


rule plot_scale:
    input:
        scale=SCALE,
    output:
        svg=report(
            figure("scale", "svg"),
            caption="../report/scale.rst",
            category="{dataset}",
            subcategory=QUESTIONS["scale"],
            labels={"figure": "leakage by size", "network": "{network} and larger"},
        ),
        png=figure("scale", "png"),
    log:
        "<logs>/{dataset}/{network}/plot_scale.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/plot_scale.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("plot_scale"),
        titles=TITLES,
        attack=config["attacks"]["headline"],
    message:
        "Drawing leakage on {wildcards.dataset} against the size of {wildcards.network} and its like."
    script:
        "../scripts/plot_scale.py"


rule plot_adversaries:
    input:
        summary=SUMMARY,
        comparisons=COMPARISONS,
    output:
        svg=report(
            figure("adversaries", "svg"),
            caption="../report/adversaries.rst",
            category="{dataset}",
            subcategory=QUESTIONS["adversaries"],
            labels={"figure": "adversary against adversary", "network": "{network}"},
        ),
        png=figure("adversaries", "png"),
    log:
        "<logs>/{dataset}/{network}/plot_adversaries.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/plot_adversaries.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        code=code("plot_adversaries"),
        titles=TITLES,
        attacks=ATTACKS_SHOWN,
        title="{dataset}, {network}",
    message:
        "Drawing adversary against adversary for {wildcards.network} on {wildcards.dataset}."
    script:
        "../scripts/plot_adversaries.py"


rule plot_exposure:
    input:
        summary=SUMMARY,
        dataset=DATASET,
        exposure_summary=EXPOSURE_SUMMARY,
        exposure=EXPOSURE,
    output:
        svg=report(
            figure("exposure", "svg"),
            caption="../report/exposure.rst",
            category="{dataset}",
            subcategory=QUESTIONS["exposure"],
            labels={"figure": FIGURES["exposure"][1], "network": "{network}"},
        ),
        png=figure("exposure", "png"),
        sheet_svg=report(
            figure("exposed", "svg"),
            caption="../report/exposed.rst",
            category="{dataset}",
            subcategory=QUESTIONS["exposure"],
            labels={"figure": FIGURES["exposed"][1], "network": "{network}"},
        ),
        sheet_png=figure("exposed", "png"),
    log:
        "<logs>/{dataset}/{network}/plot_exposure.log",
    benchmark:
        "<benchmarks>/{dataset}/{network}/plot_exposure.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        gpu=0,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=30,
    params:
        code=code("plot_exposure", "show"),
        titles=TITLES,
    message:
        "Drawing which samples of {wildcards.dataset} stay exposed in {wildcards.network}."
    script:
        "../scripts/plot_exposure.py"
