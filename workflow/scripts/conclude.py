from ptq_privacy import joblog
from ptq_privacy.report import publish

joblog.start(snakemake.log[0])
given, settings = snakemake.input, snakemake.params.settings
adversaries, cells = settings["adversaries"], settings["cells"]
networks = []
for place, (dataset, arch) in enumerate(settings["networks"]):
    exposures = given.exposures[place * len(adversaries) :][: len(adversaries)]
    thresholds = given.thresholds[place * len(cells) :][: len(cells)]
    networks.append(
        publish.Network(
            dataset=dataset,
            arch=arch,
            comparisons=given.comparisons[place],
            calibration=given.calibration[place],
            sweep=given.sweeps[place],
            exposures=dict(zip(adversaries, exposures, strict=True)),
            thresholds=dict(zip(map(tuple, cells), thresholds, strict=False)),
        )
    )
publish.publish(networks, given.summary, settings["attacks"], **dict(snakemake.output.items()))
