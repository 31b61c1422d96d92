# Everything runs in .venv, which is made from python3 (3.10 to 3.13) if it is not there.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint docs install

demo: install
	$(BIN)/gmmseg-anomaly demo --out demo --overwrite

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-cache

# The notice that this silences is about MkDocs 2, which mkdocs-material keeps out.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

install: .venv/installed

.venv/installed: pyproject.toml
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --editable ".[dev]"
	touch $@
