# make run | test | test-slow | lint | report | plan | export, each on a fresh machine: .venv is made when missing or when the pins changed.
CORES ?= $(shell nproc)
CONFIG ?= config/config.yaml
PYTHON ?= python3
# The name of the config's study; of a wrong config a line that says what is wrong, and failure.
STUDY = PYTHONPATH=workflow/scripts .venv/bin/python -m ptq_privacy.study.config_file $(CONFIG)
SNAKEMAKE = .venv/bin/snakemake --cores $(CORES) --configfile $(CONFIG)
LOGGER = $(shell [ -t 2 ] && echo "--logger rich")

.PHONY: run plan provenance export clean-stale test test-slow lint report

run: .venv
	@$(STUDY) > /dev/null
	@$(SNAKEMAKE) $(LOGGER)
	@$(MAKE) --no-print-directory report

report: .venv
	@results=results/$$($(STUDY)) && \
	$(SNAKEMAKE) --quiet --report $$results/snakemake-report.html && \
	echo "the answer: $$results/report.html" && \
	echo "as text:    $$results/tables/conclusions.md" && \
	echo "tables:     $$results/tables/summary.csv, adversaries.csv" && \
	echo "figures:    $$results/figures" && \
	echo "every step: $$results/snakemake-report.html, Snakemake's own, with code and run times"

provenance: .venv
	@PYTHONPATH=workflow/scripts .venv/bin/python -m ptq_privacy.report.provenance $(FILE)

# One stored model, as OUT says: net.onnx or net.safetensors.
export: .venv
	@PYTHONPATH=workflow/scripts .venv/bin/python -m ptq_privacy.exchange $(FILE) $(MODEL) $(OUT)

clean-stale: .venv
	@.venv/bin/python workflow/stale.py $(CONFIG) $(if $(filter yes,$(DELETE)),--delete)

# What a study will cost, before it runs. TFLOPS: what its device sustains in training; measured here without.
plan: .venv
	@PYTHONPATH=workflow/scripts .venv/bin/python -m ptq_privacy.planning $(CONFIG) $(if $(TFLOPS),--tflops $(TFLOPS))

PYTEST = .venv/bin/python -m pytest --numprocesses $(CORES) --dist worksteal

test: .venv
	@$(PYTEST) -m "not slow"

# What takes long: what each edit makes stale, kills, a SLURM of its own, networks at full length.
test-slow: .venv
	@$(PYTEST) -m slow

lint: .venv
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/snakefmt --check Snakefile workflow/rules
	@.venv/bin/snakemake --lint

.venv: .venv/pins.txt

.venv/pins.txt: envs/requirements.txt envs/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --requirement envs/requirements.txt --constraint envs/constraints.txt
	@cat $^ > $@
