# `make help` lists the targets. Everything lives in .venv and build/; `make clean` removes build/.

# The distribution's interpreter is built with profiles; one compiled by hand is a fifth slower.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3.11 /usr/bin/python3.12 /usr/bin/python3.13) python3)
VENV ?= .venv
PY := $(VENV)/bin/python
ONLY ?=
PACKAGES := vocabulary sip routing auction accounts exchange storage api dce
# The dependencies are installed again only when pyproject.toml changes.
STAMP := $(VENV)/deps-$(shell sha256sum pyproject.toml | cut -c1-16)
SECURITY_STAMP := $(VENV)/security-$(shell sha256sum pyproject.toml | cut -c1-16)
DEMO_FLAGS := $(if $(EXIT),--exit) $(if $(LAN),--lan)

.DEFAULT_GOAL := help
.PHONY: help demo run dev dev-watch build build-profiled test test-pure sim kills bench soak \
	outage drill coverage lint fmt types vet \
	security install-tools deps ci docs clean peers pure-tree system

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## real calls through the exchange; EXIT=1 ends after them, LAN=1 lets phones in
	$(PY) -m dce demo $(DEMO_FLAGS)

run: build ## the exchange with configs/config.yaml
	$(PY) -m dce run

dev: deps ## the exchange from source, debug logs, data in build/data
	$(PY) -m dce run --set environment=development --set log_level=debug \
		--set data_dir=$(CURDIR)/build/data

dev-watch: deps ## run the tests of ONLY again whenever a source file changes
	@mkdir -p build; touch build/watched; $(PY) -m pytest -x -q $(ONLY) || true; \
	while sleep 1; do \
		if find $(PACKAGES) tests configs -name '*.py' -newer build/watched | grep -q .; then \
			touch build/watched; $(PY) -m pytest -x -q $(ONLY) || true; \
		fi; \
	done

build: deps ## compile the call-path modules in place
	@DCE_COMPILE=require $(PY) setup.py -q build_ext --inplace

build-profiled: deps ## the same, laid out by a profile of real calls: a sixth less CPU, 4 minutes
	@bash tests/bench/build_profiled.sh $(PY)

test: build peers ## all tests on the compiled build; ONLY="paths" runs a part
	$(PY) -m pytest $(ONLY)

test-pure: pure-tree ## the same tests on a copy without compiled modules
	cd build/pure && DCE_COMPILE=0 $(abspath $(PY)) -m pytest $(ONLY)

sim: build ## simulations; SEEDS=n (1,000), ONLY=core: only the exchange on disk, clock and wire
	$(PY) -m tests.sim $(ONLY)

kills: build ## power cuts at every crash point (CUTS=1,000), real kill -9 (KILLS=50), SEED=1
	$(PY) -m tests.sim.kills

bench: build-profiled ## measure; rows into build/bench.json, ONLY=prefix runs a part
	$(PY) -m tests.bench $(ONLY)

soak: build peers ## mixed calls for MINUTES=10, then every call and account is compared
	$(PY) -m tests.bench.soak --minutes $(or $(MINUTES),10)

outage: build peers ## PostgreSQL stopped, then hung, MINUTES=3 each, under load
	$(PY) -m tests.bench.outage --minutes $(or $(MINUTES),3)

drill: build ## a backup of a running server onto a machine without data, and how long it takes
	$(PY) -m pytest -q tests/dce/test_backup.py
	$(PY) -m tests.bench restore

coverage: pure-tree ## line coverage of the pure build
	cd build/pure && $(abspath $(PY)) -m coverage run --source=$(subst $() ,$(comma),$(PACKAGES)) \
		-m pytest $(ONLY)
	cd build/pure && $(abspath $(PY)) -m coverage report --skip-covered --sort=cover

lint: deps ## ruff
	$(PY) -m ruff check .

fmt: deps ## sort imports, apply what ruff can repair
	$(PY) -m ruff check --fix .

types: deps ## mypy, strict
	$(PY) -m mypy

vet: lint types ## lint and types

security: $(SECURITY_STAMP) ## bandit on the sources, pip-audit on the dependencies
	$(PY) -m bandit -q -ll -r $(PACKAGES)
	$(PY) -m pip_audit --skip-editable

install-tools: deps ## test peers: SIPp and others
	bash tests/install_tools.sh

peers: deps
	@bash tests/install_tools.sh || echo "some test peers are missing: their tests are skipped" >&2

deps: $(STAMP) ## .venv with everything pyproject.toml asks for; quick when nothing changed

ci: ## what the pipeline runs
	./.ci/run

docs: deps ## check the pages against the code: links, metrics, settings, paths
	$(PY) -m pytest -q tests/test_docs.py

clean: ## remove build/, compiled modules and caches; .venv stays
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find $(PACKAGES) -name '*.so' -delete
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

# No help line below: parts of the targets above.

comma := ,

system:
	@missing=""; \
	command -v cc >/dev/null || missing="$$missing gcc"; \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
	$(PYTHON) -c 'import sysconfig, os, sys; sys.exit(not os.path.exists( \
		os.path.join(sysconfig.get_path("include"), "Python.h")))' \
		|| missing="$$missing python3-dev"; \
	test -z "$$missing" && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq -y --no-install-recommends $$missing libc6-dev >/dev/null; \
	else \
		echo "missing:$$missing. As root: apt-get install$$missing libc6-dev" >&2; exit 1; \
	fi

$(STAMP): | system
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install -q 'setuptools>=77' 'Cython>=3.1,<4'
	@DCE_COMPILE=0 $(PY) -m pip install -q --no-build-isolation -e '.[test]'
	@rm -f $(VENV)/deps-* && touch $@

$(SECURITY_STAMP): $(STAMP)
	@DCE_COMPILE=0 $(PY) -m pip install -q --no-build-isolation -e '.[security]'
	@rm -f $(VENV)/security-* && touch $@

pure-tree: deps
	@rm -rf build/pure && mkdir -p build/pure
	@tar -cf - --exclude=./build --exclude=./.venv --exclude=./.git --exclude='*.so' \
		--exclude=__pycache__ --exclude='./.*_cache' . | tar -xf - -C build/pure
	@if [ -d ../shared ]; then ln -sfn ../../shared build/shared; fi
