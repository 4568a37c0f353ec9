# Every target works on a fresh machine: what is missing is installed into .venv first.
PYTHON := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help setup demo dev test test-slow kill-matrix stop-matrix check bench clean

help:
	@echo "make demo    install, then run the whole pipeline offline on the bundled palettes"
	@echo "make dev     the Dagster UI over the same data, http://127.0.0.1:3000"
	@echo "make test    all but the slow tests                  make check   lint, types, import rules"
	@echo "make test-slow     the slow tests: further kills, stops, pages of the UI, the deployment"
	@echo "make bench   speed and size   make clean   remove .venv and the data folder"
	@echo "make stop-matrix   stop the pipeline by Ctrl-C and SIGTERM at every moment, emulated and live addresses"
	@echo "make kill-matrix   kill the pipeline at every step, at every provider; prints what was lost or paid twice"
	@echo "             (WAREHOUSE=postgres: with the tables in PostgreSQL, each process as another machine)"

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt scripts/setup
	@scripts/setup
	@touch $@

demo: setup
	@.venv/bin/grabient demo

dev: setup
	@.venv/bin/grabient dev

test: setup
	@scripts/test

test-slow: setup
	@scripts/test -m slow

kill-matrix: setup
	@$(PYTHON) -m grabient_assets_tests.reliability.matrix --warehouse $(or $(WAREHOUSE),file)

stop-matrix: setup
	@$(PYTHON) -m grabient_assets_tests.reliability.stopping

check: setup
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/lint-imports && .venv/bin/pyright

bench: setup
	@for file in benchmarks/*.py; do echo "== $$file"; $(PYTHON) $$file || exit 1; done

clean:
	rm -rf .venv .grabient build *.egg-info
