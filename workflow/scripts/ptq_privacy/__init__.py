"""The study's library: data, networks, compressions and attacks, with no knowledge of Snakemake.

Imports point downward only, in this order from the ground up: study, files, runtime, data,
networks, training, graph, compression, answers, attacks, measures, exchange, report, planning,
stages.
"""
