# `make demo` and `make test` are all a newcomer needs; each sets up what is missing first, once.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
INSTALLED_DEV := .venv/.installed-dev
SAMPLES := resources/samples
DEMO := demo-output
BUNDLE := dist/srgan-desktop
BUNDLE_LIGHT := dist/srgan-desktop-light

# A process for each core; those that are done take over from the others.
PARALLEL := -n logical --maxprocesses 8 --dist worksteal

BENCH ?= ../shared/data/bench
CONTENT ?=

.PHONY: help demo run test tests quick coverage lint style types format bench models-report package package-light deb test-package test-package-light test-cluster test-windows package-windows findings clean
.DEFAULT_GOAL := demo

help:  ## say what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null || grep '##' $(MAKEFILE_LIST)

demo: $(INSTALLED)  ## upscale the sample pictures, say where they are, show them in the window
	@$(BIN)/srgan upscale $(SAMPLES) --output $(DEMO)
	@echo "The upscaled pictures are in $(CURDIR)/$(DEMO)"
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then \
		$(BIN)/srgan-desktop --output $(DEMO) $(SAMPLES); \
	else echo "No display here, so the window stays shut; start it with: $(BIN)/srgan-desktop"; fi

run: $(INSTALLED)  ## open the window
	@$(BIN)/srgan-desktop

# Types take one process a minute, beside which the tests begin.
test: style  ## lint, types, import contracts, all tests without a screen
	@$(MAKE) --no-print-directory --jobs=2 types tests

tests: $(INSTALLED_DEV)
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest $(PARALLEL)

quick: $(INSTALLED_DEV)  ## lint what has changed against main, and test the rooms that it is in: under a minute
	@$(BIN)/python scripts/quick.py

coverage: $(INSTALLED_DEV)  ## all tests again, and which branches of core none of them takes
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term --no-cov-on-fail tests/core

lint: style types

style: $(INSTALLED_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos
	$(BIN)/zizmor --offline --quiet .github

types: $(INSTALLED_DEV)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED_DEV)  ## ratios measured side by side; absolute times mean little
	for script in scripts/bench_*.py; do QT_QPA_PLATFORM=offscreen $(BIN)/python $$script || exit 1; done

models-report: $(INSTALLED_DEV)  ## tables and pictures of docs/models.md; BENCH holds Set5, Set14, BSD100; CONTENT is a VGG file
	$(BIN)/python scripts/models_report.py --bench $(BENCH) $(if $(CONTENT),--content $(CONTENT))

package: $(INSTALLED_DEV)  ## the program in a folder that starts anywhere, with all that it needs: dist/srgan-desktop
	scripts/system_packages.sh package
	$(BIN)/pyinstaller --noconfirm --log-level WARN build.spec

package-light: $(INSTALLED_DEV)  ## the program without torch, which upscales and does not train: dist/srgan-desktop-light
	scripts/system_packages.sh package
	SRGAN_EDITION=light $(BIN)/pyinstaller --noconfirm --log-level WARN --workpath build/light build.spec

deb: package  ## the same as a Debian package, in dist
	$(BIN)/python scripts/package_deb.py $(BUNDLE) dist

test-package: package  ## the packaged program on a virtual screen, beside the installed one
	SRGAN_BUNDLE=$(BUNDLE) $(BIN)/python -m pytest tests/packaging

test-package-light: package-light  ## the light program on a virtual screen, beside the installed one
	SRGAN_EDITION=light SRGAN_BUNDLE=$(BUNDLE_LIGHT) $(BIN)/python -m pytest tests/packaging

test-cluster: $(INSTALLED_DEV)  ## thousands of pictures on several nodes, and training, whose parts die, fill up or lack something: minutes
	SRGAN_ENDURANCE=1 QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest tests/core/cluster tests/core/training/test_elastic.py

test-windows: $(INSTALLED_DEV)  ## the tests and the window with Windows' own Python, under Wine in .wine; needs root once
	scripts/windows/setup.sh
	scripts/windows/test.sh

package-windows: $(INSTALLED_DEV)  ## both editions for Windows and their installers, built and started under Wine: dist/windows
	scripts/windows/package.sh full
	scripts/windows/package.sh light

findings: $(INSTALLED)  ## what other people's libraries do that one would guess wrong, looked at again; needs a network
	for script in findings/*.sh; do echo "$$script"; PYTHON=$(BIN)/python bash $$script || exit 1; done

clean:
	rm -rf .venv build dist $(DEMO) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(INSTALLED): pyproject.toml core/version.py requirements.lock scripts/system_packages.sh
	scripts/system_packages.sh run
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable .
	touch $@

$(INSTALLED_DEV): $(INSTALLED)
	scripts/system_packages.sh test
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[dev]'
	touch $@
