# Only Python 3.11 and make are needed; `make` alone lists what there is.

PYTHON ?= $(firstword $(foreach name,python3.11 python3 python,$(shell command -v $(name))))
RUN := .venv/bin/python
INSTALLED := .venv/requirements-installed
# One more than most machines of CI have processors, because some tests wait most of their time.
WORKERS ?= 3
# A worker without work takes some of another's, so that all end together.
DISTRIBUTED := -n $(WORKERS) --dist worksteal
# Linux's util-linux: when make is killed, the kernel ends what it runs.
END_WITH_MAKE := $(shell setpriv --pdeathsig TERM true 2>/dev/null && echo setpriv --pdeathsig TERM)

export ENVIRONMENT ?= development
# Keep the bytecode: each of the many processes that the tests start would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run test coverage lint check constraints format clean

help: ## List what make can do
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1	\2/p' Makefile | expand -t 20

install: $(INSTALLED) ## Make the virtual environment with the pinned requirements

$(INSTALLED): requirements.txt requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed: make PYTHON=/path/to/python3.11")'
	@echo "Installing the pinned requirements into .venv; this takes a minute or two."
	@$(PYTHON) -m venv .venv
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	@touch $@

run: $(INSTALLED) ## Run everything on 127.0.0.1:8000 (PORT= moves it, WITHOUT=worker,consumer leaves processes out)
	@exec $(END_WITH_MAKE) $(RUN) -m bitcoingame.local

test: $(INSTALLED) ## Run all tests, WORKERS= at a time
	$(RUN) -m pytest $(DISTRIBUTED)

coverage: $(INSTALLED) ## Run all tests; every module must be covered by 90 %
	@$(RUN) -m coverage erase
	$(RUN) -m coverage run -m pytest $(DISTRIBUTED)
	@$(RUN) -m coverage combine --quiet
	@$(RUN) -m coverage json --quiet -o .local/coverage.json
	@$(RUN) .ci/coverage_floor.py .local/coverage.json

lint: $(INSTALLED) ## Check format, lint, types, import contracts, migrations and the deployment settings
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy .
	.venv/bin/lint-imports
	$(RUN) manage.py makemigrations --check --dry-run
	$(RUN) .ci/deploy_check.py

check: lint coverage ## Run what CI runs: lint and tests with coverage

constraints: ## Write down, after a change of the requirements, what they drag in
	$(PYTHON) -m venv --clear .local/fresh
	.local/fresh/bin/python -m pip install --quiet -r requirements-dev.txt
	.local/fresh/bin/python -m pip freeze > constraints.txt
	rm -rf .local/fresh

format: $(INSTALLED) ## Put the code into its format
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean: ## Remove the virtual environment and all local data
	rm -rf .venv .local
