from ptq_privacy import joblog
from ptq_privacy.attacks import leakage

joblog.start(snakemake.log[0])
leakage.write(
    snakemake.output.leakage,
    leakage.measure(snakemake.input.scores, **snakemake.params.settings),
)
