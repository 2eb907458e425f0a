# Each target is a thin line over a script or a tool. GNU make; the README has the commands for those without.
# Paths are relative, so spaces above them do no harm.
PYTHON ?= python3
BUDGET ?= 60
FORMAT ?= plain
# Set on the command line only: many systems have a variable of this name.
LANGUAGE := en
RUN := .venv/bin/python
OLDEST := .venv-oldest/bin/python
NBVAL := --ignore-glob="notebooks/*/*" --nbval --nbval-current-env --nbval-cell-timeout 1200 --nbval-sanitize-with tests/nbval_sanitize.cfg
# The debugger's warning at the start of each kernel is not for readers.
export PYDEVD_DISABLE_FILE_VALIDATION := 1

.DEFAULT_GOAL := help
.PHONY: help setup lab run site class wheelhouse test test-oldest notebooks data weights bench demo links fr clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: .venv/installed ## make .venv, if it is missing or out of date

.venv/installed: requirements.txt requirements-dev.txt requirements-docs.txt pyproject.toml .venv/bin/python
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(MAKE) --no-print-directory venv VENV=.venv
	@$(RUN) -m pip install -r requirements-dev.txt -e . || { echo "setup: pip says above what stopped it" \
		"(no network? a full disk? it takes 7 GB on Linux); run the command again to go on" >&2; exit 1; }
	@touch $@

# Where the interpreter is missing, or gone since, the line above makes it.
.venv/bin/python: ;

.PHONY: venv
venv:
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "setup: this is Python %d.%d, the\
	 series needs 3.11 or newer: install one and name it, as in make setup PYTHON=python3.13" % v[:2])'
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "setup: this Python cannot make environments:" \
		"install its venv module (Debian, Ubuntu: sudo apt install python3-venv), run the command again" >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear $(VENV)

lab: setup ## open the series in JupyterLab, on a start page; OPTIONS="--no-browser", for example
	$(RUN) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/START.md --LabApp.app_settings_dir=docs/lab $(OPTIONS)

run: setup ## run every English notebook, or LANGUAGE=fr; executed copies and the site made from them go to build/
	$(RUN) scripts/run_series.py --language $(LANGUAGE)

site: setup ## make the site from the committed notebooks, without running them
	$(RUN) scripts/build_site.py

class: setup ## pack the classroom kit into build/class.zip; FORMAT=nbgrader: for that grader
	$(RUN) scripts/make_class.py --format $(FORMAT)

wheelhouse: setup ## fetch what a reader needs for machines like this one into build/wheelhouse; 3.4 GB on Linux
	$(RUN) -m pip download --only-binary=:all: -r requirements.txt -d build/wheelhouse || { echo "wheelhouse: pip says" \
		"above what stopped it (no network? a full disk? it takes 3.4 GB on Linux)" >&2; exit 1; }
	@du -sh build/wheelhouse

test: setup ## lint, unit tests, and every English notebook against its committed outputs
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pytest tests -m "not slow" --numprocesses 2 --dist worksteal --durations=8
	$(RUN) -m pytest tests -m slow --numprocesses 2 --dist loadfile --durations=8
	@echo "the English notebooks (the French ones have the same code; make run LANGUAGE=fr runs them)"
	$(RUN) -m pytest $(NBVAL) --durations=8 notebooks

test-oldest: ## unit tests and notebook 01 with the oldest versions that requirements.txt allows
	@$(MAKE) --no-print-directory venv VENV=.venv-oldest
	$(OLDEST) -m pip install --quiet uv  # pip cannot choose the lowest versions
	$(OLDEST) -m uv pip install --python $(OLDEST) --resolution lowest-direct -r requirements-dev.txt -e .
	$(OLDEST) -m pytest tests -m "not slow" --numprocesses 2 --dist worksteal
	$(OLDEST) -m pytest $(NBVAL) notebooks/01_unconditional_ddpm.ipynb

notebooks: setup ## run every English notebook in place, and put its fresh outputs into the translated ones
	$(RUN) scripts/run_series.py --in-place
	$(RUN) scripts/translate.py build

data: setup ## make the bundled sprites and emoji again; the emoji need npm and a network
	$(RUN) -m scripts.make_sprites
	$(RUN) -m scripts.make_emoji

weights: setup ## train the shipped weights again, and score them
	$(RUN) scripts/train_classifier.py
	$(RUN) scripts/train.py unconditional
	$(RUN) scripts/draw_samples.py unconditional
	$(RUN) scripts/evaluate.py unconditional
	$(RUN) scripts/distill.py
	$(RUN) scripts/train.py label_conditioned --steps 10000
	$(RUN) scripts/draw_samples.py label_conditioned
	$(RUN) scripts/evaluate.py label_conditioned
	$(RUN) scripts/train_clip.py
	$(RUN) scripts/train_property_judge.py
	$(RUN) scripts/train_text_to_sprite.py

bench: setup ## compare recipes; BUDGET=60: minutes for the longest, about four hours in all
	$(RUN) -m pip install --quiet -r benchmarks/requirements.txt
	$(RUN) benchmarks/bench.py --budget $(BUDGET)
	$(RUN) benchmarks/bench_report.py $(if $(filter-out 60,$(BUDGET)),--results build/benchmark-$(BUDGET).json)

demo: setup ## open a page that draws sprites by words, colour and class
	$(RUN) -m helpers.demo --open

fr: setup ## make the French notebooks and README from the English ones and translations/fr
	$(RUN) scripts/translate.py build --language fr

links: ## stamp the repository's public address into setup cells and Colab badges
	"$(PYTHON)" -m scripts.stamp_links

clean: ## delete what was built; .venv, data and weights stay
	rm -rf build .venv-oldest .pytest_cache .ruff_cache
	find . -name .venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
