# Both commands set up what they need in .venv: only Python 3.11 or newer and make must be there.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: demo test check docs bench bench-tvm clean

demo: $(VENV)/.ready
	$(RUN) docs/demo.py

test: $(VENV)/.ready
	$(RUN) -m pytest -n 2

check: $(VENV)/.ready
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(RUN) docs/generate.py --check

docs: $(VENV)/.ready
	$(RUN) docs/generate.py

# Ratios against other tools, measured in one process each.
bench: $(VENV)/.ready
	$(RUN) -m tests.benchmarks

bench-tvm: $(VENV)/.ready
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[dev,tvm]'
	$(RUN) -m tests.benchmarks.tvm_kernels
	$(RUN) -m tests.benchmarks.tvm_bf16

$(VENV)/.ready: pyproject.toml
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
