# The two commands of a new user; each does all of its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: demo test test-long lint types unit bench clean

demo: $(VENV)/installed
	$(BIN)/vestige demo

test: lint types unit

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(BIN)/mypy

unit: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not long"

# The long forms of assertions that `make test` makes on fewer tables and shorter training.
test-long: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m long

bench: $(VENV)/installed
	$(BIN)/python -m benchmarks

# The tested versions (constraints.txt) are installed; pyproject.toml keeps the ranges for everyone else.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vestige needs Python 3.11 or newer; set PYTHON=")'
	@echo 'Installing into $(VENV); this takes a minute or two.'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV)
