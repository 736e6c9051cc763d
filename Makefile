# Two commands: `make demo` and `make test`. Each sets up .venv from the lock on first use.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= results/demo

.PHONY: demo test golden check lint types imports bench lock docs clean

# What the product needs; what its tests, checks and extras need on top.
$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet -r requirements.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m experiments.warm  # compile the kernels once
	@touch $@

$(VENV)/.equipped: $(VENV)/.installed requirements-dev.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.installed  ## the main job: simulate the default Dutch week and write its report
	$(BIN)/flexpolder run default --out $(OUT) --overwrite

test: $(VENV)/.equipped  ## every test, one file at a time on every core: tests of a file share their runs
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

golden: $(VENV)/.equipped  ## write the golden figures anew: only for a change of behaviour that is meant
	FLEXPOLDER_GOLDEN=write $(BIN)/python -m pytest tests/test_golden_run.py

lint: $(VENV)/.equipped
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.equipped
	$(BIN)/mypy

imports: $(VENV)/.equipped  ## who may import whom
	$(BIN)/lint-imports

check: lint types imports test

bench: $(VENV)/.installed  ## measured by hand, never asserted
	$(BIN)/python -m benchmarks

docs: $(VENV)/.installed  ## regenerate the generated pages
	$(BIN)/flexpolder docs

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header pyproject.toml
lock:  ## refresh the pins (network needed)
	$(COMPILE) --extra build --extra dev --extra uftp --extra simbench -o requirements-dev.lock
	$(COMPILE) --extra build -c requirements-dev.lock -o requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
