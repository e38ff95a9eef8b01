from ptq_privacy import joblog
from ptq_privacy.data import dataset, membership

joblog.start(snakemake.log[0])
samples = len(dataset.read(snakemake.input.dataset).train_labels)
members = membership.draw(samples, **snakemake.params.settings)
membership.write(snakemake.output.membership, members)
