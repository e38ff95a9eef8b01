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


# Calibration needs a quantized precision, a threshold two pairs of shadow models.
STATISTICS = [
    *of_each_network(rules.compare_precisions.output),
    *of_each_network(rules.measure_exposure.output, adversary=STUDY.adversaries),
]
if QUANTIZED_CELLS:
    STATISTICS += of_each_network(rules.compare_calibration.output)
if STUDY.pool.shadow_models >= 4:
    STATISTICS += of_each_cell(rules.calibrate_thresholds.output.thresholds)


rule all:
    default_target: True
    input:
        tables=rules.summarize.output,
        figures=[
            *of_each_network(rules.plot_roc.output, adversary=STUDY.adversaries),
            *of_each_network(rules.plot_tradeoff.output),
            *of_each_network(rules.plot_sweep.output),
        ],
        statistics=STATISTICS,
        members=expand(rules.tabulate_members.output, dataset=STUDY.datasets),


rule train:
    input:
        expand(
            rules.train_models.output.checkpoints,
            dataset=STUDY.datasets,
            arch=STUDY.architectures,
            shard=STUDY.pool.shards,
        ),
    message:
        "Every model of the study is trained."
