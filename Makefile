# One door to the chores. Each target creates what it needs on a fresh machine (Python 3.10+, make).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= runs/demo
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# What the repository's own board holds: models that run offline, here and everywhere alike.
BOARD_MODELS ?= timet/tiny,selfdistil/tiny,baseline/random-tiny,baseline/random,baseline/pixels
BOARD_REAL ?= davis-2016,pascal-voc-2012,camvid
RESULTS := leaderboards/results

# More options for pytest, such as --durations=25.
TEST_OPTIONS ?=
PYTEST := $(BIN)/pytest -n 2 --dist worksteal $(TEST_OPTIONS)
FUZZ_ROUNDS ?= 10
# Python 3.10 to 3.12 have wheels of the lowest versions.
LOWEST_PYTHON ?= $(PYTHON)
LOWEST := .venv-lowest

.PHONY: demo test faults fuzz lowest check lint types docs bench board flagship

demo: $(VENV)/.base  ## the main job on the embedded data set, offline
	$(BIN)/tvseg-bench run --output $(OUT)
	$(BIN)/tvseg-bench leaderboard build $(OUT) --output $(OUT)
	$(BIN)/tvseg-bench report $(OUT)

test: $(VENV)/.test  ## the tests, on two workers with one thread each; the same every time
	OMP_NUM_THREADS=1 $(PYTEST) -m "not faults"

faults: $(VENV)/.test  ## what is left when workers and nodes of every executor are killed
	OMP_NUM_THREADS=1 $(BIN)/pytest -m faults $(TEST_OPTIONS)

fuzz: $(VENV)/.test  ## the tests of laws with other random examples, as often as FUZZ_ROUNDS says
	for round in $$(seq $(FUZZ_ROUNDS)); do \
	  seed=$$($(BIN)/python -c 'import random; print(random.getrandbits(32))'); \
	  echo "round $$round of $(FUZZ_ROUNDS): --hypothesis-seed=$$seed"; \
	  HYPOTHESIS_PROFILE=fuzz OMP_NUM_THREADS=1 $(PYTEST) -q -m hypothesis --hypothesis-seed=$$seed || exit 1; \
	done

lowest: $(LOWEST)/.test  ## every test with the lowest versions that pyproject.toml allows
	OMP_NUM_THREADS=1 $(LOWEST)/bin/pytest -n 2 --dist worksteal $(TEST_OPTIONS)

check: lint types test  ## what continuous integration runs

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

docs: $(VENV)/.docs  ## the site, into site/; a broken link is an error
# Not --quiet: a warning that is not logged is not counted, and the site would pass.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean
	@echo "open site/index.html"

board: $(VENV)/.base  ## the repository's own results and board; set TVSEG_DATA for real data as well
	$(BIN)/tvseg-bench run --model $(BOARD_MODELS) --protocol all --dataset moving-shapes --keep 0 -o $(RESULTS)/moving-shapes
	if [ -n "$$TVSEG_DATA" ]; then $(BIN)/tvseg-bench run --model $(BOARD_MODELS) --protocol kmeans-frame,kmeans-clip,kmeans-dataset --dataset $(BOARD_REAL) --keep 0 -o $(RESULTS)/real; fi
	$(BIN)/tvseg-bench leaderboard check $(RESULTS)
	mkdir -p docs/board
	$(BIN)/tvseg-bench leaderboard build $(RESULTS) -o docs/board

bench: $(VENV)/.test  ## ratios against what people use now; set TVSEG_DATA for real frames
	$(BIN)/python scripts/bench_startup.py
	$(BIN)/python scripts/bench_frames.py
	$(BIN)/python scripts/bench_cluster.py
	$(BIN)/python scripts/bench_probes.py
	$(BIN)/python scripts/bench_propagation.py
	$(BIN)/python scripts/bench_training.py
	$(BIN)/python scripts/bench_boundary.py
	$(BIN)/python scripts/bench_board.py
	$(BIN)/python scripts/bench_scale.py

flagship: $(VENV)/.base  ## train the tiny models again, from nothing; about a quarter of an hour
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

$(VENV)/.docs: $(VENV)/.base
	$(PIP) --editable '.[cpu,docs]'
	touch $@

$(VENV)/.dev: $(VENV)/.test
	$(PIP) --editable '.[cpu,dev]'
	touch $@

$(LOWEST)/.test: pyproject.toml
	$(LOWEST_PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --editable '.[cpu,test]'
	touch $@
