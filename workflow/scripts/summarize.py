from ptq_privacy import joblog
from ptq_privacy.data import origin, tables
from ptq_privacy.report import differences, summary

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
texts = {
    (network["dataset"], network["arch"]): differences.of_adversaries(
        tables.read_frame(path), settings["headline"]
    )
    for network, path in zip(settings["networks"], snakemake.input.comparisons, strict=True)
}
for network, path in zip(settings["networks"], snakemake.input.calibration, strict=False):
    texts[network["dataset"], network["arch"]] += "\n" + differences.of_calibration(
        tables.read_frame(path)
    )
table = summary.summarize(cells, settings["targets"], settings["shadow_models"])
summary.write(
    table,
    settings["headline"],
    texts,
    **dict(snakemake.output.items()),
    origin=origin.record(snakemake.rule, snakemake.config, snakemake.params.items()),
)
