# The two commands are `make demo` and `make test`. All that they need: Python 3.11 or newer with pip and venv, and make.
#
# The project itself is never built here: a .pth line puts the checkout on the environment's path, which is all that an
# editable install does, so no build back end has to be locked, downloaded and run. Everything else is installed from locked
# hashes, wheels only: an installation runs nobody's setup script (trap O-05).

PYTHON      ?= python3
PYTEST_ARGS ?=
WORKERS     ?= auto
GATEWAY     := .venv/bin/gateway
TEST_PYTHON := .venv-test/bin/python -P
CODE        := $(wildcard gateway examples tests benchmarks)
TYPED       := $(wildcard gateway examples benchmarks)
INSTALL     := -m pip install -qq --disable-pip-version-check --no-input --require-hashes --only-binary :all:
COMPILE     := .venv-test/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header --annotation-style=line \
               --no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(UPGRADE)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint types layers unit matrix bench lock clean

help:
	@echo 'make demo    install, then show the whole gateway at work (about a minute)'
	@echo 'make test    linters, types, layers and all tests (PYTEST_ARGS="-k name" for some)'
	@echo 'make matrix  run all attacks and write docs/security-matrix.md'
	@echo 'make bench   CPU per request against nginx'
	@echo 'make lock    compile requirements/*.txt from pyproject.toml anew (UPGRADE=--upgrade for the newest)'
	@echo 'make clean   remove the environments and caches'

# --- environments: .venv as in production, .venv-test with the tools beside it ---------------------------------------------

.venv/.ready: requirements/runtime.txt Makefile
	$(call environment,.venv,requirements/runtime.txt)

.venv-test/.ready: requirements/dev.txt Makefile
	$(call environment,.venv-test,requirements/dev.txt)

# $(1): folder, $(2): locked requirements. `gateway` starts with -P: a file in the current folder must never shadow a module.
define environment
@echo "· $(1): installing $(2) …"
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 …"; exit 2; }
@rm -rf $(1) && $(PYTHON) -m venv $(1) || { echo "venv is missing: apt-get install python3-venv"; exit 2; }
@$(1)/bin/python $(INSTALL) -r $(2)
@$(1)/bin/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "pii_gateway_checkout.pth").write_text(str(pathlib.Path.cwd()) + "\n")'
@printf '#!/bin/sh\nexec "%s/bin/python" -P -m gateway "$$@"\n' "$(CURDIR)/$(1)" > $(1)/bin/gateway && chmod 755 $(1)/bin/gateway
@touch $@
endef

# --- the commands ------------------------------------------------------------------------------------------------------------

demo: .venv/.ready
	@$(GATEWAY) demo $(DEMO_ARGS)

test: lint types layers unit

lint: .venv-test/.ready
	@echo "· ruff"
	@.venv-test/bin/ruff check --quiet $(CODE)
	@.venv-test/bin/ruff format --quiet --check $(CODE) || { .venv-test/bin/ruff format --check $(CODE); exit 1; }

types: .venv-test/.ready
	@echo "· mypy"
	@.venv-test/bin/mypy --no-error-summary $(TYPED)

layers: .venv-test/.ready
	@echo "· import-linter"
	@.venv-test/bin/lint-imports --no-cache > .venv-test/layers.log 2>&1 || { cat .venv-test/layers.log; exit 1; }

unit: .venv-test/.ready
	@echo "· pytest"
	@$(TEST_PYTHON) -m pytest -q -n $(WORKERS) --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

# Part of it, after a few tests were changed: pytest tests/attacks/test_x.py --matrix docs/security-matrix.md
matrix: .venv-test/.ready
	@$(TEST_PYTHON) -m pytest -q -n $(WORKERS) --maxprocesses 4 --dist loadfile tests/attacks --deselect tests/attacks/test_matrix.py --matrix docs/security-matrix.md

bench: .venv/.ready
	@.venv/bin/python -m benchmarks $(BENCH_ARGS)

# The dev group also gets what the product needs, at the same versions: tests run on what is shipped.
lock: .venv-test/.ready
	$(COMPILE) --extra fast --extra pkcs11 --output-file requirements/runtime.txt pyproject.toml
	$(TEST_PYTHON) requirements/inputs.py dev | $(COMPILE) --constraint requirements/runtime.txt --output-file requirements/dev.txt -
	$(TEST_PYTHON) requirements/inputs.py build | $(COMPILE) --output-file requirements/build.txt -

clean:
	rm -rf .venv .venv-test .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
