# The commands of this checkout. `make` alone lists them. What they need is checked by local/bootstrap.py, which
# makes the virtual environments; nothing is installed outside the checkout.

PYTHON ?= python3
BIN    := .venv/bin
UV     := 0.13.8
# Processes for the tests: more than two cores have, because an apply mostly waits.
JOBS   ?= 5
# `make TERRAFORM=tofu …` runs OpenTofu instead (CONTRIBUTING.md).
TERRAFORM ?= terraform
export TERRAFORM

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup demo up down status test compiled unit terraform e2e e2e-account e2e-account-clean soak bench package audit check emulator contract format lock clean

help: ## list these commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-17s %s\n", $$1, $$2 }'

setup: ## make the virtual environments from the pinned requirements (every other command does it when needed)
	@command -v $(PYTHON) >/dev/null || { \
	  echo "Set-up: Python 3.11 or newer is needed, and there is no $(PYTHON): get it from https://www.python.org/downloads/ or your system's packages." >&2; exit 1; }
	@$(PYTHON) local/bootstrap.py

demo: setup ## show everything once, on this machine, and leave nothing running
	@$(BIN)/thingbridge-local demo

up: setup ## start the same environment and keep it running; run it again to apply changes
	@$(BIN)/thingbridge-local up

down: setup ## stop that environment, also after a crash
	@$(BIN)/thingbridge-local down

status: setup ## what is running, and what is in it
	@$(BIN)/thingbridge-local status

test: setup ## linters and types, and every test that needs no account
	@$(MAKE) -j2 check compiled
	@$(BIN)/pytest tests -n $(JOBS) --dist loadgroup -q

# After a change, each process of the tests would rewrite the assertions of the changed files: here one does, beside the
# linters, which leave a core idle. What can't be collected is reported by the tests.
compiled: setup
	@$(BIN)/pytest tests --collect-only -q >/dev/null 2>&1 || true

check: setup ## linters and types
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(TERRAFORM) fmt -check -recursive -diff

# Bytecode is kept between runs, also where the environment switches that off, as in many containers: without it, every
# process compiles what it imports.
test compiled unit terraform e2e soak: export PYTHONDONTWRITEBYTECODE :=

unit: setup ## unit tests
	@$(BIN)/pytest tests/unit -n $(JOBS) -q

terraform: setup ## modules: plans, inventories, validations
	@$(BIN)/pytest tests/terraform -n $(JOBS) --dist loadgroup -q

e2e: setup ## the whole path, on real engines
	@$(BIN)/pytest tests/e2e -n $(JOBS) --dist loadgroup -q

e2e-account: setup ## the whole path on an AWS account of yours: THINGBRIDGE_ACCOUNT=… TTS_URL=… TTS_API_KEY=… (docs/aws.md)
	@$(BIN)/python -m tests.account

e2e-account-clean: setup ## list what runs of e2e-account left; YES=1 removes it
	@$(BIN)/python -m tests.account clean $(if $(YES),--yes)

soak: setup ## every test at its full size, with every combination: half an hour or more
	@$(PYTHON) local/bootstrap.py audit
	@SOAK=1 $(BIN)/pytest tests -n $(JOBS) --dist loadgroup -q

bench: setup ## measure speed and cost on this machine, beside the plain way and the budgets: a table, plots, bench.json
	@$(PYTHON) local/bootstrap.py plots
	@$(BIN)/python -m benchmarks

package: setup ## the functions' zip to deploy everywhere, its hash, and the list of what it consists of (SBOM): dist/
	@$(BIN)/python -m local.package

audit: setup ## what checkov says against the plans, and the known vulnerabilities of everything that is pinned
	@$(PYTHON) local/bootstrap.py audit
	@SOAK=1 $(BIN)/pytest tests/terraform/test_checkov.py -q
	@for each in lambda_src/requirements*.txt requirements-*.txt; do \
	  echo "$$each:"; \
	  .venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off --requirement $$each || exit 1; \
	done

emulator: setup ## what this project relies on in the local AWS, fact by fact: run it after an upgrade of ministack
	@$(BIN)/python -m local.emulator

contract: setup ## compare a The Things Stack with what this project relies on: TTS_URL=… TTS_API_KEY=… (docs/contract.md)
	@$(BIN)/python -m tests.contract

format: setup ## format the sources
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .
	@$(TERRAFORM) fmt -recursive

lock: ## pin the requirements anew (requirements-*.in → .txt)
	@$(PYTHON) -m venv .local/cache/uv && .local/cache/uv/bin/pip install --quiet uv==$(UV)
	@for name in dev emulator runtime plots audit; do \
	  .local/cache/uv/bin/uv pip compile requirements-$$name.in --output-file requirements-$$name.txt --universal --quiet \
	    --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	    --custom-compile-command "make lock" || exit 1; \
	done

clean: ## stop what runs and remove everything that was made here
	@[ ! -x $(BIN)/thingbridge-local ] || $(BIN)/thingbridge-local down
	@rm -rf .venv .venv-emulator .venv-runtime .venv-plots .venv-audit .local dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
