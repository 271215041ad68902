# The commands of the course. Each one builds .venv when it is missing or older than the lists of
# what it holds, so that Python >= 3.11, make and git are all a machine needs.
#
#   make tutorial      train the headline sweep fresh, execute the notebooks, compare the numbers
#   make tutorial-all  the same with every network of the course trained fresh
#   make test          lint, unit tests, every notebook compared with its stored outputs
#   make lab           JupyterLab on your own copies of the notebooks, in lab/
#   make handout DIR=path   the exercises for a class: no solutions, with all that they need
#   make site          the course as pages for the browser, offline: site/html/index.html
#   make slides        the same; each notebook as a deck of slides is in site/html/slides/
#   make test-browser  JupyterLab and the pages tried in a Chromium; a part of make test where one is
#   make notebooks     build notebooks/*.ipynb and notebooks/exercises/ from notebooks/src/
#   make records       (maintainers) train fresh and refresh data/runs/
#   make bench         (maintainers) the timings that README states
#   make mutants       (maintainers) how many small faults in the code the tests notice
#   make lint          ruff alone          make format   ruff's fixes and formatting
#   make setup         only build .venv    make clean    remove .venv and what tools left behind
#
# PYTHON=/path/to/python3.12 chooses the Python that .venv is built with.

SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
BUSY := $(VENV)/.installing
SITE := $(VENV)/.site-ready
JOBS := 2
# Notebooks are built and compared on the committed records alone, not on what this reader trained.
# The shell says where it is: what $(CURDIR) holds (", $, `) would be read as shell text.
COMMITTED := rm -rf results/check; ENTREG_RESULTS="$$(pwd -P)/results/check"
# What a terminal without Unicode cannot show is no reason to stop.
# (x keeps an encoding that is left out from being taken for the word after it, here and in a make within.)
export PYTHONIOENCODING := $(patsubst x%,%,$(firstword $(subst :, ,x$(PYTHONIOENCODING)))):backslashreplace

.DEFAULT_GOAL := help
.PHONY: help setup tutorial tutorial-all test test-browser lab site slides handout notebooks records bench mutants lint format clean again

# The stamp holds the folder it was made for: a copied or moved tree builds its own .venv, since the
# one it carries would import the package from the old place.
ifeq ($(shell $(PY) -c '' 2>/dev/null && pwd -P | cmp -s - $(READY) && echo here),)
$(READY): again
endif

help:
	@sed -n '/^#   make/s/^# \{0,1\}//p' Makefile

setup: $(READY)

# What a candidate Python must pass; its exit status says why it does not.
PROBE = import sys; sys.version_info < (3, 11) and sys.exit(3); import venv, ensurepip

# $(BUSY) marks an installation that was killed half-way (pip itself always comes back, even when
# the network fails): a package may be torn then, so the next call starts from an empty folder.
$(READY): requirements.txt constraints.txt pyproject.toml
	@rm -f $(READY)
	@if [ -e $(BUSY) ]; then echo "The last set-up was interrupted: starting again from empty."; \
	  rm -rf $(VENV); fi
	@if ! $(PY) -m pip --version >/dev/null 2>&1; then \
	  rm -rf $(VENV); found=; why=; set -- python3 python3.13 python3.12 python3.11 python; \
	  if [ -n "$$PYTHON" ]; then set -- "$$PYTHON"; fi; \
	  for candidate; do \
	    "$$candidate" -c '$(PROBE)' >/dev/null 2>&1; status=$$?; \
	    if [ $$status -eq 0 ]; then found="$$candidate"; break; fi; \
	    if [ $$status -eq 3 ]; then why="$$why $$candidate is older than 3.11;"; \
	    elif "$$candidate" -c '' >/dev/null 2>&1; then \
	      why="$$why $$candidate lacks venv or ensurepip (Debian, Ubuntu: sudo apt install python3-venv);"; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "Set-up needs Python 3.11 or newer with venv, and found none:$${why:- no python on the path;}" \
	      "install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	  echo "Building $(VENV) with $$("$$found" -V) (about 7 GB with the CUDA libraries that torch brings on Linux)."; \
	  "$$found" -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "Set-up could not create $(VENV): see the message above." >&2; exit 1; }; \
	fi
	@touch $(BUSY); quiet=; \
	if ls -d $(VENV)/lib/python*/site-packages/torch >/dev/null 2>&1; then quiet=--quiet; fi; \
	$(PY) -m pip install $$quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	status=$$?; rm -f $(BUSY); \
	if [ $$status -ne 0 ]; then \
	  echo "Set-up stopped before its end: pip's message above says why (network, disk space)." \
	    "Run the same command again once that is mended; what is downloaded is kept." >&2; exit 1; fi
	@$(PY) -m entreg_utils doctor --mend --quiet
	@pwd -P > $(READY)

tutorial: $(READY)
	@$(PY) -m entreg_utils tutorial

tutorial-all: $(READY)
	@$(PY) -m entreg_utils tutorial --all

# What pages and browser tests need is installed when it is first asked for, not by everyone.
$(SITE): $(READY)
	@echo "Installing what the pages and the browser tests need (about 260 MB, once)."
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[site]'
	@touch $(SITE)

# One thread a worker: two workers that each start a thread a core slow each other down.
test: lint
	@if command -v chromium || command -v chromium-browser || command -v google-chrome; then \
	  $(MAKE) --no-print-directory $(SITE) || echo "The browser tests are skipped: see above."; \
	fi >&2
	@OMP_NUM_THREADS=1 $(PY) -m pytest tests -n $(JOBS) -rs
	@$(COMMITTED) OMP_NUM_THREADS=1 $(PY) -m pytest --nbval --nbval-current-env -n $(JOBS) --dist loadfile \
	  notebooks/*.ipynb notebooks/exercises/*.ipynb

test-browser: $(SITE)
	@ENTREG_AUDIT=all OMP_NUM_THREADS=1 $(PY) -m pytest tests/browser -n $(JOBS) -rs

# From the notebooks as they are stored: nothing is executed.
site slides: $(SITE)
	@$(PY) -m sphinx --quiet --fail-on-warning --keep-going -c docs -d site/doctrees . site/html
	@$(PY) docs/slides.py site/html
	@echo "Pages: site/html/index.html"

# Your copies lie in lab/, as deep as notebooks/ so that links hold; one that is there is kept as it
# is, with what you did in it. The committed notebooks, which `make test` compares, stay untouched.
lab: $(READY)
	@mkdir -p lab/exercises
	@cd notebooks && for file in *.ipynb exercises/*.ipynb; do \
	  [ -e "../lab/$$file" ] || cp "$$file" "../lab/$$file"; done
	@root=; if [ "$$(id -u)" -eq 0 ]; then root=--allow-root; fi; \
	$(PY) -m jupyterlab $$root --ServerApp.root_dir="$$(pwd -P)" \
	  --LabApp.default_url=/lab/tree/lab/00_start_here.ipynb

# DIR comes through the environment, so that no sign in it is read as shell text.
handout: $(READY)
	@if [ -z "$$DIR" ]; then echo "Name the folder: make handout DIR=path" >&2; exit 1; fi; \
	$(PY) notebooks/handout.py "$$DIR"

notebooks: $(READY)
	@$(COMMITTED) $(PY) notebooks/build.py --jobs $(JOBS)
	@! ls results/check/*.json 2>/dev/null || { echo "A notebook trained the runs above: add their" \
	  "configs to experiments.grids.ALL and refresh the records (make records)." >&2; exit 1; }

records: $(READY)
	@$(PY) notebooks/records.py

bench: $(READY)
	@$(PY) -m benchmarks

mutants: $(READY)
	@$(PY) -m benchmarks.mutants

lint: $(READY)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: $(READY)
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis build site *.egg-info
	find entreg_utils tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} +
