# The project's commands by name. `make` lists them; README.md and CI run the same commands.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The options with which every lock is made: hashes, and no index or host in the file.
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-header --no-annotate
# A file or folder that a target tests instead of everything: make test TESTS=tests/audio
TESTS ?=
# The extra for the storage that cluster and image read.
STORE ?= s3

.DEFAULT_GOAL := help
.PHONY: help setup label lint types docstrings test check coverage docs pictures results serve-docs wheel try-wheel image try-rayjob try-aws lock deploy-lock \
	upgrade lowest clean

# An environment that the tests can run in; any target that needs one makes it.
$(BIN)/ruff:
	$(MAKE) setup

lint types docstrings test coverage docs pictures results serve-docs lock upgrade: | $(BIN)/ruff

help: ## List the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 14

setup: ## Make .venv with the locked packages and EmoSense itself, editable.
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --require-hashes -r requirements-test.lock
	$(BIN)/pip install -q --no-build-isolation --no-deps -e .

label: | $(BIN)/ruff ## Label the clips in samples/.
	$(BIN)/emosense-batch label samples -o labels.csv

lint: ## Check style and format.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: ## Check types.
	$(BIN)/mypy

docstrings: ## Check that public functions and classes document parameters, results and errors.
	$(BIN)/python -m pytest tests/test_docstrings.py

test: ## Run the tests; TESTS=PATH runs some of them.
	$(BIN)/python -m pytest $(TESTS)

check: lint types test ## Everything that CI checks on one Python version.

coverage: ## Run the tests and print how much of emosense/ they execute. Child processes are not counted.
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered $(TESTS)

docs: ## Build the documentation site into site/; a warning is an error.
	$(BIN)/mkdocs build --strict

pictures: ## Make the pictures of the README: a terminal, and a report (needs Chromium).
	$(BIN)/python docs/make_pictures.py

results: ## Write the tables of docs/results.md, README.md and the model cards again, from the stored predictions.
	$(BIN)/python benchmarks/results.py tables
	$(BIN)/python benchmarks/shipped_models.py

serve-docs: ## Show the documentation site on this machine while you edit it.
	$(BIN)/mkdocs serve

wheel: ## Build the wheel into dist/; needs no environment.
	rm -rf dist
	$(PYTHON) -m venv dist/venv
	dist/venv/bin/pip wheel -q --no-deps -w dist .
	rm -rf dist/venv

try-wheel: wheel ## Install the wheel into an empty environment and label samples/ with it.
	rm -rf dist/venv
	$(PYTHON) -m venv dist/venv
	dist/venv/bin/pip install -q --require-hashes -r requirements.lock
	dist/venv/bin/pip install -q --no-deps dist/*.whl
	cd dist && venv/bin/emosense-batch label ../samples -o labels.csv
	cd dist && venv/bin/emosense-batch models verify

image: ## Build the image with docker, podman or buildah, label samples/ in it, and check its size.
	deploy/image.sh

try-rayjob: | $(BIN)/ruff ## Run the pods of deploy/rayjob.yaml in the image that buildah has (root; see deploy/trials/try_rayjob.py).
	$(BIN)/python deploy/trials/try_rayjob.py

try-aws: | $(BIN)/ruff ## Try cluster.yaml on this machine, against a stand-in for AWS (needs Linux, root, ip, rsync, unshare).
	$(BIN)/python deploy/trials/try_aws.py samples

lock: ## Update the locks after a change of pyproject.toml; versions change only where they must.
	$(COMPILE) pyproject.toml --extra test -o requirements-test.lock
	echo hatchling | $(COMPILE) pyproject.toml - -c requirements-test.lock -o requirements.lock
	$(MAKE) deploy-lock COMPILE='$(COMPILE)'
	echo 'filelock<4' | $(COMPILE) --upgrade --resolution lowest-direct pyproject.toml --extra test - -o requirements-lowest.lock

deploy-lock: | $(BIN)/ruff ## Update the lock of the image and of cluster.yaml; STORE=gcs or azure in place of s3.
	printf 'hatchling\nray[default]\nboto3\n' | $(COMPILE) pyproject.toml --extra $(STORE) --extra train - \
		-c requirements-test.lock -o deploy/requirements.lock

upgrade: ## Update the locks to the newest versions that pyproject.toml allows.
	$(MAKE) lock COMPILE='$(COMPILE) --upgrade'

lowest: ## Run the tests with the lowest versions that pyproject.toml allows, in .venv-lowest.
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install -q --require-hashes -r requirements-lowest.lock
	.venv-lowest/bin/pip install -q --no-build-isolation --no-deps -e .
	.venv-lowest/bin/python -m pytest $(TESTS)

clean: ## Remove what the other targets made, except .venv.
	rm -rf dist site .venv-lowest .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis labels.csv labels.csv.*
