# make demo and make test need only Python (3.11 or later), pip, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
# Tests on real annotations and clips read this folder and skip, with a reason, without it.
export P3D_EVAL_TEST_DATA

# TeX compiles the tables, pdftotext reads them back, and Chromium opens the page.
TEST_PACKAGES = texlive-latex-base texlive-latex-recommended texlive-luatex texlive-xetex poppler-utils chromium chromium-driver fonts-dejavu-core
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: demo test test-ci test-all weights lint types wheel docs bench-solvers bench-gpu check clean

$(STAMP): pyproject.toml setup.py constraints.txt
	@echo "Installing p3d-eval and its pinned packages into $(VENV): a minute or two"
	@# Debian's python3 has no ensurepip without python3-venv: the pip at hand fills the environment then.
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) \
		&& $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $(STAMP)

demo: $(STAMP)  ## Render videos, extract with two networks, run two protocols, print two tables.
	$(BIN)/p3d-eval demo --out demo

test: $(STAMP)  ## Everything a change must pass, six minutes on two cores.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not ci"

test-ci: $(STAMP)  ## The slow tests: repeated kills, fuzzing.
	$(BIN)/python -m pytest -m ci

test-all: $(STAMP)  ## Install TeX and Chromium from Debian's packages and run every test, slow ones too.
	$(SUDO) apt-get update -qq
	$(SUDO) apt-get install -y -qq --no-install-recommends $(TEST_PACKAGES)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not ci"
	$(BIN)/python -m pytest -m ci

weights: $(STAMP)  ## Fetch I3D's trained weights for the tests that need them.
	$(BIN)/p3d-eval weights fetch i3d

lint: $(STAMP)  ## Style.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)  ## Types of the four folders, seen as the one package that they install as.
	$(BIN)/python .ci/check_types.py

wheel: $(STAMP)  ## Build a wheel and an sdist from a clean copy, compare and try the installed wheel.
	$(BIN)/python .ci/check_wheel.py

docs: $(STAMP)  ## The documentation site, warnings are errors.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench-solvers: $(STAMP)  ## Speed of SVMs, leave-one-out, PCA sweep and similarities against their peers: ten minutes.
	$(BIN)/python benchmarks/solvers.py

bench-gpu: $(STAMP)  ## The GPU column of every speed table; says so politely where there is no GPU.
	$(BIN)/python benchmarks/gpu.py

check: lint types test wheel docs

clean:
	rm -rf build dist site demo $(VENV)
