from ptq_privacy import joblog
from ptq_privacy.data import tables
from ptq_privacy.report import storage, tradeoff

joblog.start(snakemake.log[0])
output = snakemake.output
table = tables.read_frame(snakemake.input.summary)
which = (snakemake.wildcards.dataset, snakemake.wildcards.arch, snakemake.params.attack)
tradeoff.plot(table, *which, [output.svg, output.png])
storage.plot(table, *which, [output.storage_svg, output.storage_png])
