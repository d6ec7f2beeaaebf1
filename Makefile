# make demo | test | lint | bench | install | format — the first run makes .venv and needs nothing but
# Python 3.11 or newer and make.
#
#   PYTHON=python3.12        another interpreter
#   TORCH_INDEX=URL          package index of the torch build, for example
#                            https://download.pytorch.org/whl/cpu or …/whl/cu130
#   TORCH=torch==2.13.0      another torch
#   MNAD_DATA=DIR            real data for the tests (see README)

PYTHON ?= python3
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
step = @printf '%s\n' "make: $(1)"; $(2) || { printf '%s\n' "make: FAILED: $(1). $(3)" >&2; exit 1; }

.PHONY: install demo test lint format bench clean
install: $(STAMP)

$(STAMP): pyproject.toml
	$(call step,looking for Python 3.11 or newer,$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))',$(PYTHON) is missing or too old: install Python 3.11 or say make PYTHON=python3.12)
	$(call step,making $(VENV),test -x $(BIN)/python || $(PYTHON) -m venv $(VENV),the venv module may be missing: on Debian install python3-venv)
	$(call step,installing $(TORCH) (the largest download),$(BIN)/python -m pip install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) '$(TORCH)',check the network; or choose a build with TORCH_INDEX=https://download.pytorch.org/whl/cpu)
	$(call step,installing mnad and its tools,$(BIN)/python -m pip install -q -e '.[dev]',check the network and the lines above)
	@touch $@

demo: install
	@$(BIN)/mnad demo --out demo

test: install
	@$(BIN)/python -m pytest

lint: install
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: install
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format .

bench: install
	@$(BIN)/mnad bench --training

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache
