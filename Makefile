# SPDX-License-Identifier: MIT
# The front door. `make demo` and `make test` need git, make and Python 3.10+ only; they get the rest.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := build

PYTHON ?= python3
FUZZ_SECONDS ?= 60
BUILD := build
BIN := .venv/bin
MESON := $(BIN)/meson
NINJA := $(BIN)/ninja
SETUP := PYTHON=$(PYTHON) tools/setup.sh
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE := 1

##@ Every day
.PHONY: build
build: $(BUILD)/build.ninja ## build the executable and the tests (the default)
	@$(NINJA) -C $(BUILD) --quiet

.PHONY: demo
demo: $(BUILD)/build.ninja ## record a real program: the standard library, tokenised and parsed; ends with a picture's path
	@$(NINJA) -C $(BUILD) --quiet outpace
	@$(BIN)/python tools/demo.py

.PHONY: test
test: build live agents ## run all tests; ends with the counts
	@$(BIN)/python tests/run.py --build $(BUILD)

.PHONY: agents
agents: build live ## build the extension modules for every Python that is found
	@$(BIN)/python tools/agents.py --build $(BUILD)

.PHONY: lint
lint: $(BUILD)/build.ninja .venv/ready-lint ## check form: clang-format, clang-tidy, ruff, mypy, the shell scripts
	@$(BIN)/python tools/lint.py --build $(BUILD)

.PHONY: check
check: lint test ## lint and test

##@ Deeper
.PHONY: bench
bench: build ## measure side by side with peers, which are installed into a folder of their own
	@$(BIN)/python bench/sampler/run.py

.PHONY: bench-tracer
bench-tracer: build agents ## the same for the exact tracer: calls and lines, on each Python from 3.10 on
	@$(BIN)/python bench/tracer/run.py --python all

.PHONY: bench-cache
bench-cache: build agents ## the same for the caches, on each Python from 3.10 on
	@$(BIN)/python bench/cache/run.py --python all

.PHONY: fuzz
fuzz: .venv/ready-fuzz agents ## fuzz each target, and calls of the caches, for FUZZ_SECONDS (60)
	@$(MAKE) --no-print-directory build-fuzz/build.ninja \
	    MESON_FLAGS="-Dfuzz=true -Dbuildtype=debug -Doptimization=1 -Db_lundef=false -Db_sanitize=address,undefined \
	    -Dc_args=-fsanitize=fuzzer-no-link" CC="$$(command -v clang || command -v clang-14)"
	@$(NINJA) -C build-fuzz --quiet
	@tools/fuzz.sh build-fuzz $(FUZZ_SECONDS)
	@PYTHONPATH=python $(BIN)/python tests/python/fuzz_cache.py --seconds $(FUZZ_SECONDS)
	@PYTHONPATH=python $(BIN)/python tests/caches/fuzz.py --seconds $(FUZZ_SECONDS)

.PHONY: asan
asan: .venv/ready-build ## all tests under the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory build-asan/build.ninja \
	    MESON_FLAGS="-Dbuildtype=debugoptimized -Db_lundef=false -Db_sanitize=address,undefined"
	@$(NINJA) -C build-asan --quiet
	@$(BIN)/python tools/agents.py --build build-asan
	@$(BIN)/python tools/agents.py --build build-asan --address 3.11 3.13
	@$(BIN)/python tests/run.py --build build-asan --sanitizer address

.PHONY: tsan
tsan: .venv/ready-build ## unit and command-line tests under the thread sanitizer
	@$(MAKE) --no-print-directory build-tsan/build.ninja \
	    MESON_FLAGS="-Dbuildtype=debugoptimized -Db_lundef=false -Db_sanitize=thread"
	@$(NINJA) -C build-tsan --quiet
	@$(BIN)/python tools/agents.py --build build-tsan
	@$(BIN)/python tests/run.py --build build-tsan --sanitizer thread unit cli

.PHONY: cross
cross: .venv/ready-cross ## compile (not link) for aarch64
	@$(MAKE) --no-print-directory build-cross/build.ninja MESON_FLAGS="--cross-file tools/cross/aarch64.ini -Dtests=false"
	@tools/sources.py objects build-cross | xargs $(NINJA) -C build-cross --quiet
	@echo "aarch64: $$(tools/sources.py objects build-cross | wc -l) objects compiled"

.PHONY: wheel
wheel: .venv/ready-build ## build the wheel into dist/
	@$(BIN)/python -m pip wheel -qq --no-deps --no-build-isolation -w dist .
	@ls dist/*.whl

.PHONY: man
man: build ## the man page, made from the flag table
	@$(NINJA) -C $(BUILD) --quiet && man -l $(BUILD)/outpace.1

.PHONY: clean
clean: ## remove what was built; .venv stays
	rm -rf build build-* dist demo.svg demo.outpace

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	    /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# ---- how it hangs together ---------------------------------------------------------------------------------------

.PHONY: live force
.SECONDARY:
force:

live: .venv/ready-build
	@tools/unstable.sh

.venv/ready-%: tools/setup.sh tools/system-packages.txt tools/requirements.txt
	@$(SETUP) build $*

# A new or vanished source file means that the build must be configured again: sources.txt changes only then.
%/sources.txt: force
	@mkdir -p $(@D); new=$$(tools/sources.py print); [ "$$new" = "$$(cat $@ 2>/dev/null)" ] || echo "$$new" >$@

%/build.ninja: %/sources.txt .venv/ready-build
	@$(MESON) setup $$([ -f $@ ] && echo --reconfigure) $(@D) $(MESON_FLAGS) >$(@D)/setup.log 2>&1 || \
	    { cat $(@D)/setup.log; exit 1; }
	@touch $@
