"""The study's library: data, networks, quantizers and attacks, with no knowledge of Snakemake.

Imports point downward only: `experiment` may be read by all; `data` is at the bottom; `models`,
`ptq` and `attacks` stand beside each other on top of it.
"""
