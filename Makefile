# One door to the chores. Each target creates what it needs on a fresh machine (Python 3.10+, make).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= runs/demo
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check lint types bench flagship

demo: $(VENV)/.base  ## the main job on the embedded data set, offline
	$(BIN)/tvseg-bench run --output $(OUT)
	$(BIN)/tvseg-bench leaderboard build $(OUT) --output $(OUT)

test: $(VENV)/.test  ## every test, on two workers with one thread each
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

check: lint types test  ## what continuous integration runs

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

bench: $(VENV)/.test  ## ratios against what people use now; set TVSEG_DATA for real frames
	$(BIN)/python scripts/bench_startup.py
	$(BIN)/python scripts/bench_cluster.py
	$(BIN)/python scripts/bench_probes.py
	$(BIN)/python scripts/bench_propagation.py
	$(BIN)/python scripts/bench_training.py

flagship: $(VENV)/.base  ## train the tiny models again, from nothing; about half an hour on two cores
	$(BIN)/python scripts/flagship.py runs/flagship

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "tvseg-bench needs Python 3.10 or newer; type: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml | $(VENV)/bin/python
	@echo "installing PyTorch and the rest into $(VENV); this takes a few minutes"
	$(PIP) --editable '.[cpu]'
	touch $@

$(VENV)/.test: $(VENV)/.base
	$(PIP) --editable '.[cpu,test]'
	touch $@

$(VENV)/.dev: $(VENV)/.test
	$(PIP) --editable '.[cpu,dev]'
	touch $@
