from ptq_privacy import joblog
from ptq_privacy.stages.measure import measure_scores

joblog.start(snakemake.log[0])
measure_scores(snakemake.input.scores, snakemake.output.leakage, **snakemake.params.settings)
