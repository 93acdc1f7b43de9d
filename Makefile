# `make` alone prints this menu. Everything runs in .venv, made on first use.
PYTHON ?= python3
PORT ?= 8000
EMULATOR_PORT ?= 9000
# Many tests wait for a server or a browser, so more of them run at once than there are cores. PARALLEL= runs one by one.
# A worker that dies ends the run: pytest-xdist, which would start another, may then wait for ever.
PARALLEL ?= -n 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
STEPS ?= 20000
MODULE ?= django_authsignal/flow.py
ROUNDS ?= 20
KILLS ?= 200
MINUTES ?= 30
VENV := .venv
BIN := $(VENV)/bin

# Dozens of processes start in a run; where compiled modules are not kept, each compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check bench fuzz chaos soak matrix mutants docs clean

help: ## Show this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## Serve the example bank (PORT=8000) with the emulator (EMULATOR_PORT=9000)
	@exec $(BIN)/python -m example_project.demo --port $(PORT) --emulator-port $(EMULATOR_PORT)

test: $(VENV)/.test ## Run the suite, browser included (EVERY=pairs: what is long too; EVERY=1: everything; DATABASE_URL= and CACHE_URL= choose where)
	@CHROMIUM="$$($(BIN)/python tests/find_chromium.py)" $(BIN)/python -m pytest $(PARALLEL) $(ARGS)

check: $(VENV)/.check ## Lint, types, docs, migrations, wheel and sdist
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m django makemigrations --check --dry-run --settings tests.settings
	$(BIN)/python -m django makemigrations --check --dry-run --settings django_authsignal.emulator.settings
	$(BIN)/python -m pip check
	$(BIN)/python -m sphinx -q -n -W --keep-going -b html docs docs/_build
	$(BIN)/python tests/check_distribution.py

bench: $(VENV)/.test ## Measure ratios against the official SDK and login_required, and the emulator
	$(BIN)/python benchmarks/track_call.py
	$(BIN)/python benchmarks/fresh_pass.py
	$(BIN)/python benchmarks/outage.py
	$(BIN)/python benchmarks/emulator.py
	CHROMIUM="$$($(BIN)/python tests/find_chromium.py)" $(BIN)/python -m benchmarks.page_script

fuzz: $(VENV)/.test ## Walk STEPS=20000 steps in any order: people, thieves, outages, clocks
	FUZZ_STEPS=$(STEPS) $(BIN)/python -m pytest -q -s tests/security/test_state_machine.py

chaos: $(VENV)/.test ## Race a hundred requests ROUNDS=20 times, kill workers KILLS=200 times, crash databases, empty Redis
	$(BIN)/python -m tests.chaos chaos --rounds $(ROUNDS) --kills $(KILLS) $(ARGS)

soak: $(VENV)/.test ## Sign in and step up for MINUTES=30, and watch the workers' memory
	$(BIN)/python -m tests.chaos soak --minutes $(MINUTES) $(ARGS)

matrix: $(VENV)/.test ## Send everything every way in a real browser, three times over, and write docs/_matrix.md
	@CHROMIUM="$$($(BIN)/python tests/find_chromium.py)" EVERY=1 MATRIX_TABLE=docs/_matrix.md $(BIN)/python -X dev -m pytest -q $(PARALLEL) tests/matrix/test_wsgi.py tests/matrix/test_asgi.py --matrix-rounds 3

mutants: $(VENV)/.mutation ## Break MODULE=django_authsignal/flow.py in every way (SAMPLE=200: in so many), and list what no test notices
	@$(BIN)/python -m tests.mutation.run $(MODULE) $(if $(SAMPLE),--sample $(SAMPLE)) $(ARGS)

docs: $(VENV)/.check ## Build the documentation into docs/_build
	$(BIN)/python -m sphinx -n -W -b html docs docs/_build

clean: ## Remove what the other targets made
	rm -rf $(VENV) .demo .mutants docs/_build build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). Install Python 3.11 or newer, or name yours: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old. Install Python 3.11 or newer, or name yours: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

# One stamp for each set of requirements, made anew when setup.cfg changes.
$(VENV)/.demo: $(BIN)/python setup.cfg
	@echo "Installing the demo into $(VENV) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[emulator]'
	@touch $@

$(VENV)/.test: $(BIN)/python setup.cfg
	@echo "Installing the tests into $(VENV) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.check: $(BIN)/python setup.cfg
	@echo "Installing the checks into $(VENV) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[check,docs]'
	@touch $@ $(VENV)/.test $(VENV)/.demo

$(VENV)/.mutation: $(BIN)/python setup.cfg
	@echo "Installing the mutation tests into $(VENV) …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test,mutation]'
	@touch $@ $(VENV)/.test $(VENV)/.demo
