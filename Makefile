# One entry for people, hooks and CI. `make demo` and `make test` need git, make and Python >= 3.11, nothing else.
PYTHON   ?= python3
# What to hand to `pip install --upgrade` first, such as pip==23.2.1 or pip; empty: the pip that comes with Python.
WITH_PIP ?=

VENV := .venv
BIN  := $(VENV)/bin
# Two stamps, each written when all before it went well: what the program needs, and the tools on top of it.
RUN  := $(VENV)/.ready-run
DEV  := $(VENV)/.ready-dev
# The site of the documentation is built in an environment of its own: neither the program nor its tests need it.
SITE := .venv-site
# So are the tests of a run on a cluster: with the tools and Ray, which no other test may come to need.
CLUSTER := .venv-cluster

# A lock names each package that is needed, so there is nothing to resolve, nothing to build, and no pip too old for it.
PIP     = $(BIN)/python -m pip --disable-pip-version-check
LOCKED  = $(PIP) install --quiet --no-deps --require-hashes --only-binary :all: --requirement
# --universal: one lock for every Python and platform. No index and no path of the machine that wrote it.
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras \
  --no-emit-index-url --no-emit-find-links --no-header --quiet

# What exported TypeScript programs are run with, and pages looked at; the lock holds no address of a registry.
NODE  := tests/node
NODED := $(NODE)/node_modules/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test test-providers test-cluster test-tables check fmt docs site pictures bench bench-cluster simulate-verdicts torture coverage dist lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A new lock begins anew, be it only the tools': nothing that has left a lock may stay behind.
$(RUN): requirements/run.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "claude-run needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) \
	  || { echo "python cannot build a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }
	@$(if $(WITH_PIP),$(PIP) install --quiet --no-deps --upgrade $(WITH_PIP))
	@echo "installing what the program needs into $(VENV) (once)"
	@$(LOCKED) requirements/run.txt
	@$(PIP) check
	@touch $@

# The first stamp goes while the tools come: what was broken off half-way begins anew with an empty environment.
$(DEV): $(RUN) pyproject.toml
	@rm -f $(RUN)
	@echo "installing the tools and the command claude-run into $(VENV) (once)"
	@$(LOCKED) requirements/dev.txt
	@$(PIP) install --quiet --no-deps --no-index --no-build-isolation --editable .
	@$(PIP) check
	@touch $(RUN) && touch $@

$(SITE)/.ready: BIN := $(SITE)/bin
$(SITE)/.ready: requirements/docs.txt
	@$(PYTHON) -m venv --clear $(SITE)
	@echo "installing what the site of the documentation is built with into $(SITE) (once)"
	@$(LOCKED) requirements/docs.txt
	@$(PIP) check
	@touch $@

$(CLUSTER)/.ready: BIN := $(CLUSTER)/bin
$(CLUSTER)/.ready: requirements/dev.txt requirements/cluster.txt pyproject.toml
	@$(PYTHON) -m venv --clear $(CLUSTER)
	@echo "installing the tools, Ray and the command claude-run into $(CLUSTER) (once)"
	@$(LOCKED) requirements/dev.txt
	@$(LOCKED) requirements/cluster.txt
	@$(PIP) install --quiet --no-deps --no-index --no-build-isolation --editable .
	@$(PIP) check
	@touch $@

$(NODED): $(NODE)/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo "installing what the tests of exported programs and of pages need into $(NODE) (once)"; \
	  npm ci --prefix $(NODE) --prefer-offline --ignore-scripts --no-audit --no-fund --loglevel error >/dev/null && touch $@; \
	else echo "npm is not here: the tests that run exported TypeScript, or look at pages, are skipped"; fi
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || echo "chromium is not here: the tests that look at pages are skipped"

demo: $(RUN) ## play scenarios/quickstart.yaml against the simulator; no key needed
	@PYTHONPATH=$(CURDIR)/src $(BIN)/python -m claude_run scenarios/quickstart.yaml --simulate

test: $(DEV) $(NODED) ## run the tests
	@$(BIN)/python -m pytest

test-providers: $(DEV) ## the logins that need an extra, by the real libraries, which it installs (50 MB)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'boto3>=1.28.57,<2' 'google-auth[requests]>=2,<3'
	@$(BIN)/python -m pytest tests/system/providers

# Each process of the tests may start a Ray, which is a dozen processes: so there are two, however many cores there are.
test-cluster: $(CLUSTER)/.ready ## the engine on a local Ray, with the extra, which it installs (300 MB)
	@$(CLUSTER)/bin/python -m pytest -n 2 -o faulthandler_timeout=500 tests/cluster tests/packaging/test_locks.py \
	  --ignore tests/cluster/test_rate.py
	@# A rate is kept to tenths of a second: so nothing else wants the cores while it is looked at.
	@$(CLUSTER)/bin/python -m pytest -n 0 tests/cluster/test_rate.py

test-tables: $(DEV) ## data frames of runs, by the real libraries, which it installs (430 MB)
	@$(LOCKED) requirements/tables.txt
	@$(BIN)/python -m pytest tests/system/library/test_tables.py

coverage: $(DEV) ## hold the rooms that decide to 95 % of their branches, by their own tests
	@$(BIN)/python -m pytest tests/unit/conversation tests/unit/scenario tests/unit/checks \
	  tests/unit/plan tests/unit/text --cov --cov-report=term --cov-fail-under=95

check: $(DEV) ## format, lint, types, import contract, dependencies, workflows, generated docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry src
	@$(BIN)/zizmor --offline --quiet action.yml .github src/claude_run/session/templates/github.yml
	@$(BIN)/python -m tests.docs --check

fmt: $(DEV) ## format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(DEV) ## write the generated reference pages anew
	@$(BIN)/python -m tests.docs --write

# The pages are laid out as they lie here, so that a link that leads somewhere on GitHub leads there on the site.
site: $(SITE)/.ready ## build the site of the documentation into site/, strictly
	@rm -rf .site && mkdir .site
	@cp -R README.md CHANGELOG.md SECURITY.md SKILL.md LICENSE docs scenarios .site
	@NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --quiet
	@! grep -rlE '<(script|link|img|iframe)[^>]*(src|href)="?(https?:)?//' site --include='*.html' \
	  || { echo "these pages load something from elsewhere"; exit 1; }
	@echo "wrote site/index.html; to search it as well: python3 -m http.server -d site"

pictures: $(DEV) ## take the pictures of the documentation anew; needs chromium
	@$(BIN)/python -m tests.docs.pictures

bench: $(DEV) ## CPU, wall, memory and start-up beside the loops that users write, as ratios
	@$(BIN)/python -m tests.bench

bench-cluster: $(CLUSTER)/.ready ## throughput of 1, 2 and 4 players beside one process
	@$(CLUSTER)/bin/python -m tests.bench.cluster

simulate-verdicts: $(DEV) ## false alarms and power of the gate on simulated suites (a quarter of an hour)
	@$(BIN)/python -m tests.unit.verdict.simulate

torture: $(DEV) ## 500 kills, every fault, and the fuzzers (long)
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	@$(BIN)/python -m tests.system.torture

dist: $(DEV) ## build wheel and sdist into dist/, and play the quickstart from the wheel alone
	@rm -rf dist
	@$(BIN)/hatchling build
	@$(BIN)/python -m tests.packaging

# uv keeps the pins that it finds in an output file: so the run lock is a part of the dev lock, version by version,
# and the cluster lock, the run lock with Ray, moves no package of it.
lock: ## pin all locks anew, everything at its newest (needs uv)
	@$(COMPILE) pyproject.toml --group dev --upgrade --output-file requirements/dev.txt
	@cp requirements/dev.txt requirements/run.txt
	@$(COMPILE) pyproject.toml --output-file requirements/run.txt
	@cp requirements/dev.txt requirements/cluster.txt
	@$(COMPILE) pyproject.toml --extra cluster --output-file requirements/cluster.txt
	@$(COMPILE) --group docs --upgrade --output-file requirements/docs.txt
	@$(COMPILE) --group tables --upgrade --output-file requirements/tables.txt

clean: ## remove the virtual environments, the caches, and what `make dist` and `make site` built
	@rm -rf $(VENV) $(SITE) $(CLUSTER) .site site $(NODE)/node_modules dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
