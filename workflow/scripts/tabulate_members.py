from ptq_privacy import joblog
from ptq_privacy.data import membership, origin

joblog.start(snakemake.log[0])
shards = [membership.read(path) for path in snakemake.input.membership]
membership.write(
    snakemake.output.membership,
    {m: row for s in shards for m, row in s.items()},
    origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)
