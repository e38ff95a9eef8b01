"""Tables and figures for people."""
FIGURES=[]
rule summarize:
    output: "<results>/tables/summary.parquet"
    script: "../scripts/summarize.py"
