# Each target does all its set-up: a virtual environment in .venv, made once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Each of some hundred processes of the tests would else compile all modules.
export PYTHONDONTWRITEBYTECODE =
# Exact versions; `make CONSTRAINTS=` takes the newest that setup.cfg allows.
CONSTRAINTS ?= constraints.txt
# Two processes, each of which imports TensorFlow once; one that has nothing left takes from the other.
PYTEST := $(BIN)/python -m pytest -q
PARALLEL := --numprocesses 2 --dist worksteal
# What needs neither TensorFlow nor another process.
UNIT := tests/core tests/spaces tests/metrics tests/storage tests/tuning/test_loop.py \
	tests/tuning/test_loop_time.py tests/tuning/test_budget.py --ignore tests/storage/test_lock.py

.PHONY: demo test-unit test test-slow test-all test-full check lint gpu-check bench docs constraints clean

demo: $(STAMP)
	$(BIN)/autocnn search --space quick --trials 6 --name demo-$$(date +%Y%m%d-%H%M%S)

# A tier of seconds.
test-unit: $(STAMP)
	$(PYTEST) -m "not slow" $(UNIT)

# Quick tests and the examples in docstrings.
test: $(STAMP)
	$(PYTEST) -m "not slow" $(PARALLEL)

# Tests with real processes and whole studies.
test-slow: $(STAMP)
	$(PYTEST) -m slow $(PARALLEL)

test-all: $(STAMP)
	$(PYTEST) $(PARALLEL)

# All tests, and all of what the others take a sample of: kills, situations, variants.
test-full: $(STAMP)
	$(PYTEST) --full $(PARALLEL)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test-all

# With a real GPU: speed, use, parity with the processor, a tiny study.
gpu-check: $(STAMP)
	$(BIN)/python -m benchmarks.gpu_check

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# The site, in build/site: nothing is fetched, and a link that leads nowhere is an error.
docs: $(STAMP)
	$(BIN)/python docs/site/build.py

# The newest versions that setup.cfg allows, written down; run the tests before you commit them.
constraints:
	rm -rf $(VENV)
	$(MAKE) CONSTRAINTS= $(STAMP)
	sed -n '/^#/p' constraints.txt > $(VENV)/constraints.txt
	$(BIN)/python -m pip freeze --all --exclude-editable --exclude pip >> $(VENV)/constraints.txt
	mv $(VENV)/constraints.txt constraints.txt

$(STAMP): setup.cfg pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "autocnn needs Python 3.11 to 3.13: make PYTHON=python3.11")'
	@echo "Installing into $(VENV): some minutes, and about 4 GB of disk."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(addprefix --constraint ,$(CONSTRAINTS)) --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
