# `make` prints the targets. Every one of them works on a fresh checkout.
.DEFAULT_GOAL := help
.PHONY: help install format lint types test crash docs lock all

DEV := ./temporal-dev.sh
BIN := $(or $(SOJOURN_VENV),.venv)/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-package sojourn $(UPGRADE)

help: ## print the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' Makefile

install: ## prepare the environment with all that tests and linters need
	$(DEV) prepare --dev

format: install ## format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: ## run every linter and type checker
	$(DEV) lint

types: install ## run the type checkers alone
	$(BIN)/mypy
	$(BIN)/pyright

test: ## run the tests
	$(DEV) test

crash: ## run the tests that kill a real worker
	$(DEV) test -m crash

docs: ## run the tests that run the documentation's snippets
	$(DEV) test -k docs

lock: install ## renew requirements/*.txt; UPGRADE=--upgrade takes newer versions
	$(COMPILE) requirements/run.in -o requirements/run.txt
	$(COMPILE) requirements/dev.in --group dev -c requirements/run.txt -o requirements/dev.txt

all: ## what CI runs
	bash .ci/run
