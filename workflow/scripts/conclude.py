from ptq_privacy import joblog
from ptq_privacy.report import publish

joblog.start(snakemake.log[0])
given, settings = snakemake.input, snakemake.params.settings
adversaries = settings["adversaries"]
networks = []
for place, (dataset, arch) in enumerate(settings["networks"]):
    exposures = given.exposures[place * len(adversaries) :][: len(adversaries)]
    networks.append(
        publish.Network(
            dataset=dataset,
            arch=arch,
            comparisons=given.comparisons[place],
            calibration=given.calibration[place],
            sweep=given.sweeps[place],
            exposures=dict(zip(adversaries, exposures, strict=True)),
            thresholds=given.thresholds[place] if given.thresholds else None,
        )
    )
publish.publish(networks, given.summary, settings["attacks"], **dict(snakemake.output.items()))
