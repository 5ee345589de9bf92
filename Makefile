# The commands people type. `make demo` and `make test` need nothing but Python 3.11+ and make.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test test-reliability verify bench lint lock schema

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
SMK := Snakefile workflow/rules/*.smk

help: ## show these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python {sys.version.split()[0]} is too old: 3.11 or newer is needed; name one with make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip sync --quiet --compile-bytecode requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q src
	touch $@

demo: $(INSTALLED) ## the whole pipeline on generated tissue: tables, figures, explorer, report
	@start=$$SECONDS; PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --cores all demo; \
	seconds=$$((SECONDS - start)); \
	printf 'demo: %d min %02d s; look at results/demo/explorer.html and results/demo/report.html; figures in results/demo/figures\n' $$((seconds / 60)) $$((seconds % 60))

test: $(INSTALLED) ## unit tests and the whole DAG at tiny size
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

test-reliability: $(INSTALLED) ## every fault of docs/reliability.md, on a real Slurm where one is installed
	$(BIN)/python -m pytest -m 'slurm or reliability' --numprocesses 2 --dist loadgroup

verify: $(INSTALLED) ## check every file of results/ against its checksum
	$(BIN)/python -m causalgrok.verify results

bench: $(INSTALLED) ## time both sides of every claim of speed
	$(BIN)/python bench/pooled_interventions.py
	$(BIN)/python bench/saving.py
	$(BIN)/python bench/planning.py
	$(BIN)/python bench/memory.py
	$(BIN)/python bench/mnist.py
	$(BIN)/python bench/resnet.py
	$(BIN)/python bench/probing.py
	$(BIN)/python bench/transformer.py
	$(BIN)/python bench/grokfast.py
	$(BIN)/python bench/growth.py

lint: $(INSTALLED) ## ruff, snakefmt, codespell and Snakemake's own linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check $(SMK)
	$(BIN)/codespell --toml pyproject.toml
	$(BIN)/snakemake --lint

lock: $(INSTALLED) ## pin every dependency again, with hashes
	$(BIN)/uv pip compile --quiet pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --upgrade --output-file requirements.lock
	$(BIN)/python -m causalgrok.generate

schema: $(INSTALLED) ## write again what is generated: schema, README table, envs
	$(BIN)/python -m causalgrok.generate
