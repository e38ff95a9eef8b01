from ptq_privacy import joblog
from ptq_privacy.data import origin
from ptq_privacy.report import summary

joblog.start(snakemake.log[0])
settings = snakemake.params.settings
shards = len(snakemake.input.checkpoints) // len(settings["cells"])
cells = [
    summary.Cell(
        **cell,
        leakage=snakemake.input.leakage[place],
        checkpoints=tuple(snakemake.input.checkpoints[place * shards : (place + 1) * shards]),
    )
    for place, cell in enumerate(settings["cells"])
]
table = summary.summarize(cells, settings["targets"], settings["shadow_models"])
summary.write(
    table,
    settings["headline"],
    **dict(snakemake.output.items()),
    origin=origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)
