"""How much of its training data does a post-training-quantized model give away?

Data set -> paired train/test memberships -> models -> quantized models -> logits -> attack scores
-> summary tables and figures. `snakemake --cores 2` runs the study in config/config.yaml, another
one with `--configfile config/NAME.yaml`.
"""

from snakemake.utils import min_version

min_version("9.27")

# Only without a study of one's own: Snakemake would merge the two, data sets and all.
if "study" not in config:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/restart.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/quantize.smk"
include: "workflow/rules/attack.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


# Paths are written out: with a storage provider, another rule's output cannot be expanded.
STATISTICS = [
    *of_each_network("<results>/{dataset}/{arch}/comparisons.parquet"),
    *of_each_network(
        "<results>/{dataset}/{arch}/exposure-{kind}{adversary}.parquet",
        kind=["", "summary-"],
        adversary=STUDY.adversaries,
    ),
    *CALIBRATION,
    *THRESHOLDS,
]

FIGURES = ["tradeoff", "storage", "sweep", "exposure", "exposed"]
if {"transfer", "adaptive"} <= set(STUDY.adversaries):
    FIGURES.append("adversaries")


rule all:
    default_target: True
    input:
        tables=[*rules.summarize.output, *rules.conclude.output],
        figures=[
            *of_each_network(
                "<results>/figures/roc-{dataset}-{arch}-{adversary}.{kind}",
                adversary=STUDY.adversaries,
                kind=["svg", "png"],
            ),
            *of_each_network(
                "<results>/figures/{figure}-{dataset}-{arch}.{kind}",
                figure=FIGURES,
                kind=["svg", "png"],
            ),
        ],
        statistics=STATISTICS,
        members=expand("<results>/{dataset}/membership.parquet", dataset=STUDY.datasets),


rule train:
    input:
        expand(
            "<results>/{dataset}/{arch}/full/shard-{shard}.safetensors",
            dataset=STUDY.datasets,
            arch=STUDY.architectures,
            shard=STUDY.pool.shards,
        ),
    message:
        "Every model of the study is trained."
