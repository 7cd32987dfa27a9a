# Two commands are all a newcomer needs: `make book` and `make test`. Each does its own set-up in .venv.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
TORCH := torch==2.13.0

export AVMC_HOME AVMC_STORE AVMC_META AVMC_PROFILE AVMC_BERT

.DEFAULT_GOAL := help
.PHONY: help book lab pdf test test-fast portability torture bench-check check lint test-media test-cluster test-launch test-gpu lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

book: .venv/ready ## Set up, run the notebooks that changed, build the book into _build/html
	$(BIN)/avmc book

lab: .venv/ready ## Open the notebooks in JupyterLab
	$(BIN)/jupyter-lab notebooks

pdf: .venv/checks ## Print the built book as one PDF, _build/html/book.pdf (needs Chromium)
	$(BIN)/python tools/make_pdf.py _build/html

test: .venv/ready ## Set up, run the tests, in as many processes as there are cores, at most four
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

test-fast: .venv/ready ## The quick tests, under a minute: what to run while editing
	$(BIN)/pytest tests/core tests/kernels tests/models/test_golden.py tests/models/test_avmc.py tests/data/test_batches.py tests/analysis/test_statistics.py

portability: .venv/ready ## The tests as other processors would run them, with counts; goes on where it was stopped (hours)
	$(BIN)/python tools/portability.py

torture: .venv/checks ## Hostile files, kills and faults at length, with counts; goes on where it was stopped (under 75 minutes)
	PYTHONPATH=tests:tests/support $(BIN)/python -m torture

bench-check: .venv/ready ## Measure speed again and say which ratios differ from the recorded ones by more than the noise
	$(BIN)/avmc bench-check

check: lint pdf test-media test-cluster test-launch ## Lint; check the built book (links, weight, browser), its PDF and results; clips to predictions; a cluster; a GPU's kernels
	$(BIN)/python tools/check_book.py _build/html
	$(BIN)/python tools/check_bundle.py _build/html/results
	$(BIN)/python tools/check_pdf.py _build/html/book.pdf _toc.yml
	$(BIN)/pytest tests/publishing/test_pdf_check.py
	$(BIN)/python tools/contact_sheet.py _build/html --shots _build/shots
	$(BIN)/python tools/check_browser.py _build/html --shots _build/shots --report _build/shots/report.json

lint: .venv/lint ## Check the style of the code and that its layers import downward
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

test-media: .venv/checks ## Make clips, extract their features, train, export, predict
	$(BIN)/pytest tests/media --numprocesses auto --maxprocesses 2 --dist loadfile

test-cluster: .venv/checks ## Run a grid on a Slurm of one node, with a killed job and a lost node
	$(BIN)/pytest tests/cluster -rs

test-launch: .venv/checks ## Run a GPU's kernels in Triton's interpreter on the CPU, and compile them for a GPU
	$(BIN)/pytest tests/launch -rs

test-gpu: ## On a machine with a GPU: golden steps, every model, same bytes, a kill, in six minutes
	$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) tools/test_gpu.py

lock: ## Resolve pyproject.toml anew into the lock files (needs the package registry)
	tools/lock.sh

clean: ## Remove everything that was built; the environment and the imported data stay
	rm -rf _build

# torch comes first, with its own dependencies; all else is locked and hashed.
.venv/ready: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# What `make lint` needs besides: no system package.
.venv/lint: .venv/ready requirements-lint.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-lint.lock
	touch $@

# Chromium, a speech synthesiser and Slurm from Debian, where this machine lets us; Python packages from the locks.
.venv/checks: .venv/ready requirements-check.lock requirements-extract.lock requirements-gpu.lock \
  requirements-slurm.lock
	tools/system_packages.sh
	for lock in check extract slurm; do \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-$$lock.lock || exit; done
	$(BIN)/python -c 'import triton' 2> /dev/null || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-gpu.lock
	touch $@
