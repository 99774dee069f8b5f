# Every target sets up what it needs; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] < (3,14))' 2>/dev/null && echo $$p && break; done)
PORT ?= 8545
# Tests mostly wait for chains and for other programs: twice as many workers as there are cores.
WORKERS ?= $(shell echo $$(( 2 * $$(getconf _NPROCESSORS_ONLN) )))
BIN := .venv/bin
PACKAGES := interline rpc gate_client issuer_client ledger consortium network demo
PYTHON_CODE := $(PACKAGES) scripts tests bench cities
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --custom-compile-command "make lock" $(LOCK_FLAGS)
SOLIDITY := 'contracts/*.sol' 'contracts/interfaces/*.sol' 'contracts/libraries/*.sol'

ASSURANCE := .venv-assurance/bin
# Not node_modules/.bin/forge: npm's launcher ends with 0 whatever forge ends with.
FORGE_DIR = $$(echo $(CURDIR)/node_modules/@foundry-rs/forge-*/bin)
FORGE = $(FORGE_DIR)/forge
SEED ?= 0x1

.PHONY: help setup tools lock demo year test test-crash test-browser test-clock privacy screenshots test-gate test-office lint format compile abi chain bench clean \
  governance invariants symbolic slither mutants gas-snapshot gas-snapshot-update

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.ready node_modules/.ready ledger/pages/static/vendor/echarts.min.js ## Install everything into .venv and node_modules (quick the second time)

.venv/.installed: requirements/dev.lock
	@test -n "$(PYTHON)" || { echo "expected Python 3.11, 3.12 or 3.13 on the PATH, found none; install one, or name it: make setup PYTHON=…"; exit 2; }
	@echo "setup: Python packages into .venv (a minute or two)"
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 2; }
	@$(BIN)/python -m pip install --disable-pip-version-check --no-deps --require-hashes --progress-bar off -r $< | awk \
	  '/^Collecting/ { if (++n % 20 == 0) print "setup:   " n " packages fetched" } /^Installing/ { print "setup:   installing " n } { fflush() }'
	@touch $@

.venv/.ready: .venv/.installed pyproject.toml network/set_up.py
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python network/set_up.py
	@touch $@

# Slither and halmos, apart: their pins clash with ape's.
.venv-assurance/.ready: requirements/assurance.lock
	@test -n "$(PYTHON)" || { echo "expected Python 3.11, 3.12 or 3.13 on the PATH"; exit 2; }
	@$(PYTHON) -m venv --clear .venv-assurance
	@$(ASSURANCE)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

# Not `npm ci`: the lock holds anvil for Linux on amd64 alone, and npm adds what it lacks on other platforms.
node_modules/.ready: package.json package-lock.json .npmrc
	@node -e 'if (parseInt(process.versions.node) < 20) throw process.version' 2>/dev/null && npm --version >/dev/null 2>&1 || \
	  { echo "expected Node 20 or later with npm, found $$(node --version 2>/dev/null || echo none); install it"; exit 2; }
	@echo "setup: compiler, local chain and contract libraries into node_modules"
	@npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

tools: ## Install what isn't on PyPI or npm: Chromium, LibreOffice Calc, a Chinese font, libfaketime (Debian's packages)
	@missing=""; \
	for name in "$$CHROMIUM" chromium chromium-browser google-chrome; do command -v "$$name" >/dev/null 2>&1 && break; done || missing="$$missing chromium"; \
	command -v soffice >/dev/null 2>&1 || missing="$$missing libreoffice-calc"; \
	fc-list :lang=zh 2>/dev/null | grep -q . || missing="$$missing fonts-wqy-zenhei"; \
	compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || missing="$$missing libfaketime"; \
	test -n "$$missing" || { echo "tools: all there"; exit 0; }; \
	root=""; test "$$(id -u)" = 0 || root="sudo -n"; \
	echo "tools: installing$$missing"; \
	$$root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$root apt-get install -y -qq --no-install-recommends $$missing >/dev/null || \
	  { echo "expected apt-get, as root or by sudo without a password, to install$$missing; it did not. Install them by hand: sudo apt-get install$$missing"; exit 2; }

# The pages' charts come from the pages' own server.
ledger/pages/static/vendor/echarts.min.js: node_modules/.ready
	@mkdir -p $(@D) && cp node_modules/echarts/dist/echarts.min.js $@

lock: ## Write the lock files anew from pyproject.toml and package.json (needs uv; LOCK_FLAGS=--upgrade)
	@$(LOCK) --extra consortium --extra ledger --extra dev --override requirements/overrides.txt pyproject.toml -o requirements/dev.lock
	@$(LOCK) --constraint requirements/dev.lock pyproject.toml -o requirements/gate.lock
	@$(LOCK) requirements/assurance.in -o requirements/assurance.lock
	@npm install --package-lock-only --no-audit --no-fund

# --force: ape doesn't see that a contract changed where only a library did.
.build/.ready: .venv/.ready node_modules/.ready ledger/pages/static/vendor/echarts.min.js $(shell find contracts -name '*.sol') ape-config.yaml
	@$(BIN)/ape compile --force
	@mkdir -p .build && touch $@

compile: .build/.ready ## Compile the contracts

demo: .build/.ready ## The whole story on an embedded chain; out/demo/report.html
	@$(BIN)/python -m demo

year: .build/.ready ## The article's first year on a local chain (RIDES=3000000); it stays until Ctrl-C
	@$(BIN)/python -m demo.year --serve $(if $(RIDES),--rides $(RIDES))

test: .build/.ready ## All tests but the long ones
	@$(BIN)/pytest -m "not crash and not office and not browser" -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart=0

test-crash: .build/.ready ## Kill gates and submitters at random moments, at least 100 times
	@$(BIN)/pytest -m crash

test-browser: .build/.ready ## The pages in headless Chromium (make tools installs it)
	@$(BIN)/pytest -m browser

test-clock: .build/.ready ## Tests at month's and year's ends, 2038, in other zones (CLOCK="2038 --files FILE", CLOCK=--quick as in CI)
	@$(BIN)/python -m tests.clock $(CLOCK)

privacy: setup ## What a linker finds out from the chain alone, with a fresh seed (PRIVACY="--seed 7"; minutes)
	@$(BIN)/python -m tests.privacy.experiment $(PRIVACY)

screenshots: .build/.ready ## Every page, desktop and phone, in both languages, into docs/images/pages
	@$(BIN)/python -m tests.browser.screenshots

test-gate: ## Install the gate without ape, from requirements/gate.lock, and start it
	@test -n "$(PYTHON)" || { echo "expected Python 3.11, 3.12 or 3.13 on the PATH"; exit 2; }
	@rm -rf out/gate-alone && $(PYTHON) -m venv out/gate-alone
	@out/gate-alone/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/gate.lock
	@out/gate-alone/bin/pip install --quiet --disable-pip-version-check --no-deps . && rm -rf build
	@out/gate-alone/bin/pip check
	@! out/gate-alone/bin/python -c 'import ape' 2>/dev/null
	@cd out/gate-alone && bin/gate-client --help >/dev/null && bin/issuer-client --help >/dev/null
	@echo "the gate and the ticket office run without ape"

test-office: setup ## Open the statements' workbooks with LibreOffice, and recalculate them
	@command -v soffice >/dev/null || { echo "expected LibreOffice's soffice on the PATH, found none; make tools installs it"; exit 2; }
	@$(BIN)/pytest -m office

governance: setup ## What coalitions of stolen keys reach, for 1 to 6 cities, held to SECURITY.md (UPDATE=1: into it)
	@$(BIN)/python -m tests.governance $(if $(UPDATE),--update)

invariants: setup ## 512 runs of 100 acts over the whole system, an invariant after each (SEED=0x2a for others)
	@mkdir -p out/invariants && rm -f out/invariants/story.jsonl
	@$(FORGE) test --fuzz-seed $(SEED)
	@$(BIN)/python -m tests.invariants.report out/invariants/story.jsonl

symbolic: setup .venv-assurance/.ready ## The arithmetic of balances, arrears and the bitmap, for all amounts (halmos)
	@FOUNDRY_PROFILE=symbolic PATH="$(FORGE_DIR):$(CURDIR)/$(ASSURANCE):$$PATH" $(ASSURANCE)/halmos

# In a copy without contracts/.cache, where ape keeps all of OpenZeppelin: slither would compile and judge that, too.
slither: setup .venv-assurance/.ready ## Static analysis: each finding must have its answer in tests/slither/answers.toml
	@rm -rf out/slither && mkdir -p out/slither/contracts out/slither/network
	@cp -r contracts/*.sol contracts/interfaces contracts/libraries out/slither/contracts && cp foundry.toml slither.config.json out/slither
	@ln -s $(CURDIR)/node_modules out/slither/node_modules && ln -s $(CURDIR)/network/toolchain out/slither/network/toolchain
	@cd out/slither && PATH="$(FORGE_DIR):$(CURDIR)/$(ASSURANCE):$$PATH" $(CURDIR)/$(ASSURANCE)/slither . --json findings.json >log 2>&1 || \
	  test -s findings.json || { cat log; exit 2; }
	@$(BIN)/python -m tests.slither out/slither/findings.json

mutants: .build/.ready ## Plant bugs in the contracts and see each found (MUTANTS="--sample 8"; all: about half an hour)
	@$(BIN)/python -m tests.mutation $(MUTANTS)

gas-snapshot: setup ## Hold gas and sizes of the contracts against tests/gas/snapshots
	@mkdir -p out/gas && FOUNDRY_PROFILE=gas $(FORGE) test --gas-snapshot-check=false --gas-snapshot-emit=true
	@$(BIN)/python -m tests.gas

gas-snapshot-update: setup ## Measure gas and sizes of the contracts anew
	@mkdir -p out/gas && FOUNDRY_PROFILE=gas $(FORGE) test --gas-snapshot-check=false --gas-snapshot-emit=true
	@$(BIN)/python -m tests.gas --update

lint: setup ## Style and types of Python, Solidity and the foreign client
	@$(BIN)/ruff check $(PYTHON_CODE)
	@$(BIN)/ruff format --check $(PYTHON_CODE)
	@$(BIN)/mypy
	@npx --no-install prettier --check --log-level warn $(SOLIDITY) 'tests/foreign/*.mjs'
	@npx --no-install solhint --quiet --noPoster --max-warnings 0 $(SOLIDITY)

format: setup ## Format the code
	@$(BIN)/ruff check --fix-only $(PYTHON_CODE)
	@$(BIN)/ruff format $(PYTHON_CODE)
	@npx --no-install prettier --write $(SOLIDITY) 'tests/foreign/*.mjs'

abi: .build/.ready ## Write interline/abi from the compiled contracts
	@$(BIN)/python -m consortium.abi

chain: setup ## A local chain in the foreground: id 1337, gas price 0, 1 s blocks (PORT=8545)
	@$(BIN)/python -m network.chain --port $(PORT) --state out/chain/$(if $(filter 8545,$(PORT)),state,state-$(PORT)).json

bench: .build/.ready ## Gas, verification and tap benchmarks into bench/results (BENCH=--quick: into out/bench)
	@$(BIN)/python -m bench $(BENCH)

clean: ## Remove what setup, builds and runs made
	rm -rf .venv .venv-assurance node_modules .build out contracts/.cache build *.egg-info .pytest_cache .mypy_cache .ruff_cache
