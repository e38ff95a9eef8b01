from ptq_privacy.files import origin
from ptq_privacy.runtime import joblog
from ptq_privacy.stages.plot_exposure import plot_exposure

joblog.start(snakemake.log[0])
given, output = snakemake.input, snakemake.output
plot_exposure(
    given.summary,
    given.exposure,
    given.exposure_summary,
    given.dataset,
    snakemake.wildcards.dataset,
    snakemake.wildcards.network,
    [output.svg, output.png],
    [output.sheet_svg, output.sheet_png],
    origin.record(
        snakemake.rule, snakemake.config, snakemake.params.items(), snakemake.input.items()
    ),
)
