# The same commands for people and for CI. They need Python >= 3.11 with pip and venv, make and git; everything else they fetch.
# Empty: scripts/choose_python.py chooses when an environment is made.
PYTHON ?=
VENV ?= .venv
DATA_DIR ?= data
BIN := $(VENV)/bin
XDIST ?= auto

.PHONY: run install test test-browser pictures check test-engine mutate bench soak docs lock format clean
.DEFAULT_GOAL := run

$(BIN)/python:
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then python=$$(python3 scripts/choose_python.py) || exit 1; fi; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "AnyRouter needs Python 3.11 or newer; set PYTHON=...")' && \
	echo "Making an environment in $(VENV) …" && \
	"$$python" -m venv $(VENV)

# The package runs from the checkout; the environment has only locked, hash-checked packages in it.
$(VENV)/.run: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the gateway needs: under a minute, once …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the checks and tests need: a minute or two, once …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@ $(VENV)/.run

## Start the gateway on 127.0.0.1:8080 with an embedded database in ./data
run: $(VENV)/.run
	@$(BIN)/anyrouter serve --data-dir $(DATA_DIR) $(ARGS)

## Install without starting
install: $(VENV)/.run

## The whole suite; it starts some hundred processes, which compile nothing anew
test: $(VENV)/.dev
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(XDIST) --dist worksteal $(ARGS)

## The dashboard in Chromium, which must be there; screenshots are left in .cache/screenshots
test-browser: $(VENV)/.dev
	BROWSER_REQUIRED=1 $(BIN)/python -m pytest -n $(XDIST) --dist loadfile tests/browser $(ARGS)

## The pictures of the dashboard in docs/pictures, taken anew
pictures: $(VENV)/.dev
	BROWSER_REQUIRED=1 KEEP_PICTURES=1 $(BIN)/python -m pytest tests/browser/test_pictures.py $(ARGS)

## Format, lint, types, import directions, sizes, generated documentation: under a minute
check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_sizes.py
	$(BIN)/python scripts/reference.py --check

## A real inference engine as upstream; needs a C++ compiler, and compiles for minutes
test-engine: $(VENV)/.dev
	@command -v c++ >/dev/null || { echo 'make test-engine compiles llama.cpp: install a C++ compiler (g++ or clang++) first' >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/engine-build.txt
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --require-hashes -r requirements/engine.txt
	$(BIN)/python -m pytest -m engine tests/engine $(ARGS)

## Small mistakes in what decides about rights, money and secrets, and whether a test notices each: a quarter of an hour
mutate: $(VENV)/.dev
	$(BIN)/python scripts/mutate.py $(ARGS)

## Ratios to nginx on this machine (needs nginx and wrk); PEERS=1 adds other gateways
bench: $(VENV)/.run
	$(BIN)/python -m bench $(ARGS)

## 100,000 mixed requests, a fifth of them with a fault, and what must be true afterwards: some minutes
soak: $(VENV)/.run
	$(BIN)/python -m bench.soak $(ARGS)

## Write the parts of docs/ that come from the code
docs: $(VENV)/.dev
	$(BIN)/python scripts/reference.py

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

## Lock the dependencies anew, with hashes
lock: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate --no-header --python-version 3.11 pyproject.toml requirements/build.in -o requirements/run.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate --no-header --python-version 3.11 pyproject.toml --extra postgres requirements/build.in requirements/dev.in -c requirements/run.txt -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links --no-annotate --no-header --python-version 3.11 requirements/engine-build.in -c requirements/dev.txt -o requirements/engine-build.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links --no-annotate --no-header --python-version 3.11 requirements/engine.in -c requirements/dev.txt -o requirements/engine.txt

clean:
	rm -rf $(VENV) .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
