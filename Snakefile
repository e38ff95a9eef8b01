"""How much of its training data does a post-training-quantized model give away?

Data set -> paired train/test memberships -> models -> compressed models -> answers -> attack scores
-> summary tables and figures. `snakemake --cores 2` runs the study in config/config.yaml, another
one with `--configfile config/NAME.yaml`.
"""

from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import LocalSourceFile
from snakemake.utils import min_version

min_version("9.27")

# Of what lies elsewhere Snakemake fetches the rules and scripts, and not what the scripts import.
if not isinstance(workflow.current_basedir, LocalSourceFile):
    raise WorkflowError(
        "ptq-privacy brings a library along: clone the repository and give the clone's Snakefile, "
        "a local path, as `snakefile:`; see docs/module.md"
    )

# Never under a config of one's own: Snakemake would merge the two, data sets and all.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/study.smk"
include: "workflow/rules/paths.smk"
include: "workflow/rules/restart.smk"
include: "workflow/rules/console.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/compress.smk"
include: "workflow/rules/query.smk"
include: "workflow/rules/attack.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


rule all:
    input:
        tables=[*rules.summarize.output, *rules.conclude.output],
        figures=[*rules.conclude.input.svg, *rules.conclude.input.png],
        statistics=[
            *ALL_COMPARISONS,
            *of_each_network(EXPOSURE),
            *of_each_network(DISPARITY),
            *of_each_network(EXPOSURE_SUMMARY),
            *CALIBRATIONS,
            *ALL_THRESHOLDS,
        ],
        members=expand(MEMBERSHIP, dataset=STUDY.datasets),
    message:
        "Everything that the config asks for is there."


rule train:
    input:
        of_each_network(TRAINED, shard=STUDY.pool.shards),
    message:
        "Every model of the study is trained."
