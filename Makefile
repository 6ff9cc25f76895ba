# Each target does all its set-up: a virtual environment in .venv, made once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two processes, each of which imports TensorFlow once; a file's tests share their studies.
PARALLEL := --numprocesses 2 --dist worksteal

.PHONY: demo test test-slow test-all check lint bench clean

demo: $(STAMP)
	$(BIN)/autocnn search --space quick --trials 6 --name demo-$$(date +%Y%m%d-%H%M%S)

# Quick tests, about 6 minutes on 2 cores.
test: $(STAMP)
	$(BIN)/python -m pytest -q -m "not slow" $(PARALLEL)

# Tests with real processes and whole studies, up to an hour on 2 cores.
test-slow: $(STAMP)
	$(BIN)/python -m pytest -q -m slow $(PARALLEL)

test-all: $(STAMP)
	$(BIN)/python -m pytest -q $(PARALLEL)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test-all

bench: $(STAMP)
	$(BIN)/python -m benchmarks

$(STAMP): setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "autocnn needs Python 3.11 to 3.13: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
