# Each target is a thin line over a script or a tool. Paths are relative, so spaces above them do no harm.
PYTHON ?= python3
BUDGET ?= 60
ifeq ($(OS),Windows_NT)
VENV_PYTHON := .venv/Scripts/python.exe
else
VENV_PYTHON := .venv/bin/python
endif
# The debugger's warning at the start of each kernel is not for readers.
export PYDEVD_DISABLE_FILE_VALIDATION := 1

.DEFAULT_GOAL := help
.PHONY: help setup lab run test notebooks data weights bench links clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv from requirements.txt, if it is missing or out of date
	@"$(PYTHON)" scripts/setup_env.py

lab: setup ## open the series in JupyterLab
	$(VENV_PYTHON) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks

run: setup ## run every notebook; executed copies and pages go to build/
	$(VENV_PYTHON) scripts/run_series.py

test: setup ## lint, unit tests, and every notebook against its committed outputs
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m pytest tests --numprocesses 2 --dist worksteal --durations=8 \
		--junitxml=build/tests.xml
	$(VENV_PYTHON) -m pytest --nbval --nbval-current-env --nbval-cell-timeout 1200 \
		--durations=8 --nbval-sanitize-with tests/nbval_sanitize.cfg \
		--junitxml=build/notebooks.xml notebooks

notebooks: setup ## run every notebook in place, so that committed outputs are fresh
	$(VENV_PYTHON) scripts/run_series.py --in-place

data: setup ## make the bundled sprites and emoji again; the emoji need npm and a network
	$(VENV_PYTHON) -m scripts.make_sprites
	$(VENV_PYTHON) -m scripts.make_emoji

weights: setup ## train the shipped weights again, and score them
	$(VENV_PYTHON) scripts/train_classifier.py
	$(VENV_PYTHON) scripts/train.py unconditional
	$(VENV_PYTHON) scripts/draw_samples.py unconditional
	$(VENV_PYTHON) scripts/evaluate.py unconditional
	$(VENV_PYTHON) scripts/train.py label_conditioned --steps 10000
	$(VENV_PYTHON) scripts/draw_samples.py label_conditioned
	$(VENV_PYTHON) scripts/evaluate.py label_conditioned

bench: setup ## compare recipes; BUDGET=60: minutes for the longest, over three hours in all
	$(VENV_PYTHON) -m pip install --quiet -r benchmarks/requirements.txt
	$(VENV_PYTHON) benchmarks/bench.py --budget $(BUDGET)
	$(VENV_PYTHON) benchmarks/bench_report.py $(if $(filter-out 60,$(BUDGET)),--results build/benchmark-$(BUDGET).json)

links: setup ## stamp the repository's public address into setup cells and Colab badges
	$(VENV_PYTHON) scripts/stamp_links.py

clean: ## delete what was built; .venv, data and weights stay
	rm -rf build .pytest_cache .ruff_cache
	find . -name .venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
