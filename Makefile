# The commands of the project; each installs what it needs first. `make` alone lists them.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
ENVIRONMENT := .venv/.installed
DEVNETS := deploy/devnets/node_modules/.installed
POSTGRES := .venv/.postgresql
CHROMIUM := .venv/.chromium
CODE := fabric adapters registry cryptlets tests benchmarks deploy
# git keeps no empty folder, so one of them may not be there yet.
PRESENT = $(wildcard $(CODE))

# What writes committed files; with --check each only compares.
GENERATORS = $(wildcard fabric/wire/generate.py adapters/hyperledger/proto/generate.py \
	registry/header/generate.py registry/server/generate.py adapters/ethereum/contracts/build.py tests/vectors/generate.py \
	cryptlets/contract/cold_chain/samples/generate.py)
each_generator = set -e; for script in $(GENERATORS); do \
	echo $(BIN)/python $$script $(1); $(BIN)/python $$script $(1); done

# `make demo ARGS="--json --out proofs"`, `make test ARGS="-k merkle"`
ARGS ?=

# How many times as long as in `make test` the campaigns of `make fault` are. A campaign that fails names its seed:
# `make fault FAULT_SEED=7 ARGS="-k campaign"` runs it again.
DEPTH ?= 10
FAULT_SEED ?=

# A test without any of these marks is a unit test: it needs no network, no Ray and no ledger.
REAL := ray or ethereum or hyperledger or postgres or sandbox or fault or slow or e2e

# Tests on real parts wait for blocks most of the time: three files at once on two cores. WORKERS=0 runs them one by one.
WORKERS ?= 3

# A network namespace with nothing in it, where the kernel grants one. Inside it a unit test that
# reaches for the network fails instead of passing by luck.
OFFLINE = $(shell unshare --net true 2>/dev/null && echo unshare --net || \
	{ unshare -rn true 2>/dev/null && echo unshare -rn; })

# Go builds the geth of the clique network, which no package registry has. Where there is no Go, those tests are skipped.
GETH = $(if $(shell command -v go 2>/dev/null),geth)

.PHONY: help demo test test-unit test-hyperledger fault geth check bench fmt gen lock images clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(ENVIRONMENT) $(DEVNETS) ## the main job from end to end (ARGS="--json --out DIR")
	@$(BIN)/cryptlet demo $(ARGS)

test: test-unit $(DEVNETS) $(GETH) $(POSTGRES) $(CHROMIUM) ## every test: first the unit tests without network, then those on real parts
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "$(REAL)" $(ARGS)

test-unit: $(ENVIRONMENT) ## the unit tests alone, in a namespace without network
	@test -n "$(OFFLINE)" || echo "no network namespace to be had: unit tests run with the network on"
	$(OFFLINE) $(BIN)/pytest -n auto -m "not ($(REAL))" $(ARGS)

fault: $(ENVIRONMENT) $(DEVNETS) $(GETH) $(POSTGRES) ## the fault tests in their long form: more seeds, deeper (DEPTH=10)
	FAULT_DEPTH=$(DEPTH) FAULT_SEED=$(FAULT_SEED) $(BIN)/pytest -m fault $(ARGS)

test-hyperledger: $(ENVIRONMENT) ## the ledger's conformance suite on a Hyperledger network that others run (HYPERLEDGER=FILE)
	@test -n "$(HYPERLEDGER)" || { echo "HYPERLEDGER=FILE names the network: docs/guide/hyperledger.md"; exit 2; }
	HYPERLEDGER=$(HYPERLEDGER) $(BIN)/pytest tests/conformance/test_hyperledger.py $(ARGS)

geth: $(ENVIRONMENT) ## find geth 1.13, or build it with Go into the user's cache folder
	@$(BIN)/python -m adapters.ethereum.geth

check: $(ENVIRONMENT) $(DEVNETS) ## lint, format, types, layers, generated files up to date
	$(BIN)/ruff check $(PRESENT)
	$(BIN)/ruff format --check $(PRESENT)
	$(BIN)/mypy $(PRESENT)
	$(BIN)/lint-imports
	@$(call each_generator,--check)

bench: $(ENVIRONMENT) $(DEVNETS) ## the figures of DESIGN 12, as ratios within one run
	$(BIN)/python -m benchmarks $(ARGS)

fmt: $(ENVIRONMENT) ## put the code into its one form
	$(BIN)/ruff check --fix-only --quiet $(PRESENT)
	$(BIN)/ruff format $(PRESENT)

gen: $(ENVIRONMENT) $(DEVNETS) ## write every generated file again
	@$(call each_generator,)

lock: $(ENVIRONMENT) ## resolve the dependencies again (UPGRADE=--upgrade takes the newest)
	$(LOCK) pyproject.toml --all-extras --group dev -o requirements.lock
	$(LOCK) pyproject.toml --all-extras --constraint requirements.lock -o deploy/images/runtime.lock
	$(LOCK) --group pyproject.toml:bootstrap -o bootstrap.lock
	$(LOCK) --group pyproject.toml:node -o deploy/devnets/node.lock

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-annotate $(UPGRADE)

images: ## the container image, where a Docker engine answers (BASE=... takes another base)
	@if docker info >/dev/null 2>&1; then \
		docker build $(if $(BASE),--build-arg BASE=$(BASE)) --tag cryptlet-fabric:dev --file deploy/images/Dockerfile . && \
		docker run --rm --read-only --network none cryptlet-fabric:dev cryptlet --version; \
	else echo "images: not built, no Docker engine answers here"; fi

clean: ## remove all that the targets made, the environment included
	rm -rf .venv .state build dist deploy/devnets/node_modules
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(ENVIRONMENT): requirements.lock bootstrap.lock pyproject.toml deploy/bootstrap.sh
	deploy/bootstrap.sh
	@touch $@

$(DEVNETS): deploy/devnets/package-lock.json deploy/devnets/node.lock deploy/devnets/install.py | $(ENVIRONMENT)
	$(BIN)/python deploy/devnets/install.py
	@touch $@

$(CHROMIUM): deploy/devnets/chromium.py | $(ENVIRONMENT)
	$(BIN)/python deploy/devnets/chromium.py
	@touch $@

$(POSTGRES): deploy/devnets/postgresql.py | $(ENVIRONMENT)
	$(BIN)/python deploy/devnets/postgresql.py
	@touch $@
