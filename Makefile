# The environment is made by the first target that needs it, and again when pyproject.toml is newer.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test fuzz fmt lint type layers docs chaos mutants soak audit bench bench-peers screenshots db db-stop ci clean

help: ## Print this help
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo '  ARGS="…" is handed to the program, PYTHON=… chooses the interpreter (3.11 or newer)'

setup: $(STAMP) ## Make the virtual environment with everything in it

demo: $(STAMP) ## Run a workflow before your eyes on an embedded PostgreSQL
	@$(BIN)/baton demo $(ARGS)

test: $(STAMP) ## Run the tests on an embedded PostgreSQL, or on the one that BATON_TEST_DSN names
	$(BIN)/python -m pytest $(ARGS)

fuzz: $(STAMP) ## Try thousands of bad inputs and of rows edited by hand; takes a quarter of an hour
	$(BIN)/python -m pytest tests/fuzz --hypothesis-profile=many --timeout=3600 $(ARGS)

fmt: $(STAMP) ## Format the code, and repair what the linter can
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

lint: $(STAMP) ## Check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

type: $(STAMP) ## Check types, as this code does and as its users will
	$(BIN)/mypy
	$(BIN)/pyright tests/typing

layers: $(STAMP) ## Check that imports go down only
	$(BIN)/lint-imports

audit: $(STAMP) ## Look for known vulnerabilities of what is installed; ARGS=--strict wants an answer
	@$(BIN)/python -m tests.audit $(ARGS)

docs: $(STAMP) ## Run the code of the README and the guides
	$(BIN)/python -m pytest tests/docs $(ARGS)

chaos: $(STAMP) ## Break everything for some minutes, and check what is left; ARGS="--seed 7 --minutes 10"
	@$(BIN)/python -m tests.chaos $(ARGS)

mutants: $(STAMP) ## Take out what holds Baton together, line by line: each must turn something red
	@$(BIN)/python -m tests.chaos.mutants $(ARGS)

screenshots: $(STAMP) ## Take the pictures of the live page anew; needs Chromium
	$(BIN)/python -m tests.web.screenshots

soak: $(STAMP) ## Run two million jobs, after which nothing may have grown; ARGS="--jobs 300000"
	@$(BIN)/python -m tests.soak $(ARGS)

bench: $(STAMP) ## Measure Baton beside a bare loop; ARGS="--only S3,S7 --quick"
	@$(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(STAMP) ## Measure Baton beside its peers, which are installed for it; takes hours
	@$(BIN)/python -m benchmarks --peers --reps 3 --json benchmarks/results.json \
	  --document docs/performance.md --chart docs/performance.svg $(ARGS)

db: $(STAMP) ## Start an embedded PostgreSQL that goes on, and print its DSN
	@$(BIN)/baton db start

db-stop: $(STAMP) ## Stop it; its data stay
	@$(BIN)/baton db stop

ci: ## Run everything that continuous integration runs
	.ci/run

clean: ## Remove everything that make has made, the embedded PostgreSQL's data included
	@if [ -x $(BIN)/baton ]; then $(BIN)/baton db stop >/dev/null 2>&1 || true; fi
	rm -rf $(VENV) .venv-* .baton build dist
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: $(PYTHON) is not Python 3.11 or newer; name one that is: make PYTHON=python3.13" >&2; \
	  exit 1; }
	@echo "Making $(VENV), which takes a minute…" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(STAMP)
