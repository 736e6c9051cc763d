# Two commands: `make demo` and `make test`. Each sets up .venv from the lock on first use.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= results/demo

.PHONY: demo test golden check lint types imports bench lock docs clean

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet -r requirements.lock
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m experiments.warm  # compile the kernels once
	@touch $@

demo: $(VENV)/.installed  ## the main job: simulate the default Dutch week and write its report
	$(BIN)/flexpolder run default --out $(OUT) --overwrite

test: $(VENV)/.installed  ## every test, one file at a time on every core: tests of a file share their runs
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

golden: $(VENV)/.installed  ## write the golden figures anew: only for a change of behaviour that is meant
	FLEXPOLDER_GOLDEN=write $(BIN)/python -m pytest tests/test_golden_run.py

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed
	$(BIN)/mypy

imports: $(VENV)/.installed  ## who may import whom
	$(BIN)/lint-imports

check: lint types imports test

bench: $(VENV)/.installed  ## measured by hand, never asserted
	$(BIN)/python -m benchmarks

docs: $(VENV)/.installed  ## regenerate the generated pages
	$(BIN)/flexpolder docs

lock:  ## refresh the pins (network needed)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-annotate --no-header pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
