# Everything needs git, make and Python alone; the tools come into .venv, at the versions that pyproject.toml states.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
MODEL ?= models/digits_mobile_int8.tflite
BOARD ?= nano33ble
BIN := .venv/bin

.PHONY: help demo test lint format docs corpus savings bench clean
.DELETE_ON_ERROR:

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile | expand -t 14

demo: .venv/bare  ## does the sample model fit a board with 256 KB of RAM?
	$(BIN)/refinfer fit $(MODEL) --board $(BOARD)

test: .venv/test  ## run the tests; ARGS="-k conv" goes to pytest
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/dev  ## style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev  ## let ruff lay out the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: .venv/docs  ## build the site: site/index.html; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

corpus: .venv/test  ## run the tests on every model of the folder REFINFER_CORPUS
	@test -n "$$REFINFER_CORPUS" || { echo 'REFINFER_CORPUS is not set: make it name a folder of models with their manifest.json' >&2; exit 2; }
	REFINFER_CORPUS_ALL=1 $(BIN)/python -m pytest $(ARGS)

savings: .venv/test  ## plan every model, also those of REFINFER_CORPUS: the record behind docs/savings.md
	$(BIN)/python -m tools.savings > savings.json
	mv savings.json tests/data/savings.json
	$(BIN)/python -m tools.make_pages

bench: .venv/bench  ## time everything against the official runtimes and mcufit; ARGS="--only steady --json FILE"
	$(BIN)/python -m benchmarks --mcufit $(BIN)/mcufit $(ARGS)

clean:  ## remove the environment and all that tools left
	rm -rf .venv site .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist
	find refinfer tests -name __pycache__ -prune -exec rm -rf {} +

# A stamp for each set of packages in .venv. `bare` is refinfer with what it needs.

.venv/bare: EXTRAS :=
.venv/test: EXTRAS := [test]
.venv/bench: EXTRAS := [bench]
.venv/docs: EXTRAS := [docs]
.venv/dev: EXTRAS := [dev]

.venv/bare .venv/test .venv/bench .venv/docs .venv/dev: pyproject.toml .venv/made
	@echo 'Installing .$(EXTRAS) into .venv'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.$(EXTRAS)'
	@touch $@

# Debian's Python comes without the part that puts pip into a new environment; its own pip can reach in from outside.
.venv/made:
	@'$(or $(PYTHON),python3)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo 'Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3' >&2; exit 2; }
	@echo "Creating .venv with $$('$(PYTHON)' --version)"
	@'$(PYTHON)' -m venv .venv >/dev/null \
		|| { '$(PYTHON)' -m venv --without-pip .venv && '$(PYTHON)' -m pip --python $(BIN)/python install --quiet pip; } \
		|| { echo 'No environment without venv and pip; on Debian: apt install python3-venv' >&2; exit 2; }
	@touch $@
