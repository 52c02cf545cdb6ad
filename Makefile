# The whole workflow. `make demo` and `make test` need nothing done before them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PACKAGES := $(wildcard libs/*) $(wildcard services/*)
REQUIREMENTS := requirements/dev.txt

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test fast lint types contracts up down bench simulate chaos lock clean

help:  ## what can be done here
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP)  ## install everything into .venv

$(STAMP): $(REQUIREMENTS) $(addsuffix /pyproject.toml,$(PACKAGES))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: set PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 cannot make a virtual environment: install the package python3-venv"; exit 1; }
	@echo "installing into $(VENV)"
	@$(BIN)/python -m pip install --quiet --require-hashes -r $(REQUIREMENTS)
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation $(addprefix --editable ,$(PACKAGES))
	@touch $@

demo: setup  ## the main job on real parts; FLOW= SIZE= SEED= KEEP=1
	@$(BIN)/connector demo $(if $(FLOW),--flow $(FLOW)) $(if $(SIZE),--size $(SIZE)) $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep)

test: setup lint types contracts  ## every fast suite, on a real broker and database
	@$(BIN)/python -m pytest -m "not slow or ci" -n 3 --dist loadfile --no-loadscope-reorder tests

fast: setup  ## unit tests only
	@$(BIN)/python -m pytest tests/unit

lint: setup  ## style and the direction of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: setup  ## mypy, strict, tests included
	@$(BIN)/mypy $(addsuffix /src,$(PACKAGES)) tests

contracts: setup  ## the contracts as checked in are the ones the code makes, and break no reader
	@$(BIN)/python -m connector.console.contracts --check

up: setup  ## run the platform for a developer
	@$(BIN)/connector up

down: setup  ## stop what `make up` started
	@$(BIN)/connector down

bench: setup  ## figures with their bars into build/bench.json; ONLY=
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY))

simulate: setup  ## seeded schedules of faults on a virtual clock; SCHEDULES= SEED=
	@$(BIN)/python -m tests.simulation $(if $(SCHEDULES),--schedules $(SCHEDULES)) $(if $(SEED),--seed $(SEED))

chaos: setup  ## kill things while documents flow, then count; KILLS= SEED= FLOW=
	@$(BIN)/python -m tests.chaos $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) $(if $(FLOW),--flow $(FLOW))

lock: setup  ## pin the requirements again, with hashes
	@for set in build runtime dev; do $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-header --no-annotate requirements/$$set.in -o requirements/$$set.txt; done

clean:  ## remove what was built here
	@rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
