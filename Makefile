# make demo and make test need only Python (3.11 or later), pip, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
# Tests on real annotations and clips read this folder and skip, with a reason, without it.
export P3D_EVAL_TEST_DATA

.PHONY: demo test test-ci lint types wheel docs check clean

$(STAMP): pyproject.toml setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $(STAMP)

demo: $(STAMP)  ## Render videos, extract with two networks, run two protocols, print two tables.
	$(BIN)/p3d-eval demo --out demo

test: $(STAMP)  ## Everything a change must pass, in under four minutes on two cores.
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not ci"

test-ci: $(STAMP)  ## The slow tests: repeated kills, fuzzing.
	$(BIN)/python -m pytest -m ci

lint: $(STAMP)  ## Style.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)  ## Types of the four folders, seen as the one package that they install as.
	$(BIN)/python .ci/check_types.py

wheel: $(STAMP)  ## Build a wheel and an sdist from a clean copy, compare and try the installed wheel.
	$(BIN)/python .ci/check_wheel.py

docs: $(STAMP)  ## The documentation site, warnings are errors.
	$(BIN)/mkdocs build --strict --quiet

check: lint types test wheel docs

clean:
	rm -rf build dist site demo $(VENV)
