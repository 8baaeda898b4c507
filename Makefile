# One entry for people, hooks and CI. `make demo` and `make test` need git, make and Python >= 3.11, nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check fmt docs bench simulate-verdicts torture coverage lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "claude-run needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) \
	  || { echo "python cannot build a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing the pinned requirements into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## play scenarios/quickstart.yaml against the simulator; no key needed
	@$(BIN)/claude-run scenarios/quickstart.yaml --simulate

test: $(READY) ## run the tests
	@$(BIN)/python -m pytest

coverage: $(READY) ## hold the rooms that decide to 95 % of their branches, by their own tests
	@$(BIN)/python -m pytest tests/conversation tests/scenario tests/checks tests/plan tests/text \
	  --cov --cov-report=term --cov-fail-under=95

check: $(READY) ## format, lint, types, import contract, dependencies, generated docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config pyproject.toml
	@$(BIN)/deptry src
	@$(BIN)/python -m tests.docs --check

fmt: $(READY) ## format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(READY) ## write the generated reference pages anew
	@$(BIN)/python -m tests.docs --write

bench: $(READY) ## start-up, journal and comparison costs, as ratios
	@$(BIN)/python -m tests.bench

simulate-verdicts: $(READY) ## false alarms and power of the gate on simulated suites (some minutes)
	@$(BIN)/python -m tests.verdict.simulate

torture: $(READY) ## 500 kills, every fault, and the fuzzers (long)
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	@$(BIN)/python -m tests.torture

lock: ## pin the development requirements anew (needs uv)
	@uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --quiet --output-file requirements/dev.txt

clean: ## remove the virtual environment and the caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
