# Everything runs from a clean clone with Python 3.11+, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
VALIDATOR := $(VENV)/node/node_modules/.bin/asl-validator
LOWEST := $(VENV)/lowest
LOWEST_BOTO3 := $(shell sed -n 's/^aws = .*boto3>=\([0-9.]*\).*/\1/p' pyproject.toml).0
PYTEST := $(BIN)/python -m pytest --numprocesses $(or $(TESTS_AT_ONCE),4) --dist loadfile --no-loadscope-reorder
DEMO := demo
ROWS ?= 1000000

.PHONY: install dev servers demo test test-kubernetes test-lowest check lint types imports docs docs-check synth e2e bench clean

install: $(STAMP)  ## .venv/bin/rowmill, with every extra

dev: $(DEV_STAMP)  ## what tests, checks and docs need

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]'
	touch $@

servers:  ## PostgreSQL and Chromium from Debian, where they are missing: tests start their own
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
		{ echo "installing Debian's postgresql for the tests"; apt-get update -qq && apt-get install -y -qq postgresql >/dev/null; } || \
		{ echo "the tests need PostgreSQL's server: apt-get install postgresql, as root" >&2; exit 1; }
	@test -x /usr/bin/chromium || \
		{ echo "installing Debian's chromium for the tests"; apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
		{ echo "the tests of the pages need Chromium: apt-get install chromium, as root" >&2; exit 1; }

$(VALIDATOR): | $(BIN)/python
	@command -v npm >/dev/null && npm install --silent --no-fund --no-audit --prefix $(VENV)/node asl-validator@4.0.0 || \
		echo "no npm: definitions are not checked by asl-validator" >&2

$(DEV_STAMP): $(STAMP) requirements-dev.txt | servers $(VALIDATOR)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all,cdk]' --requirement requirements-dev.txt
	$(BIN)/python -c "from rowmill import devcloud; devcloud.environment()"  # the local AWS, apart from ours
	touch $@

demo: $(STAMP)  ## a million orders: split, process, merge; the report, the first results, one table row
	mkdir -p $(DEMO)
	test -f $(DEMO)/orders-$(ROWS).csv || $(BIN)/rowmill generate $(ROWS) $(DEMO)/orders-$(ROWS).csv
	cd $(DEMO) && ../$(BIN)/rowmill run rowmill.examples.orders orders-$(ROWS).csv --fresh --overwrite
	@echo; echo "The first results, in the order of the input ($(DEMO)/orders-$(ROWS).csv_Output):"
	@head -n 3 $(DEMO)/orders-$(ROWS).csv_Output
	@echo; echo "One row of the table (sqlite:///$(DEMO)/rowmill.db):"
	@cd $(DEMO) && ../$(BIN)/python -m rowmill.examples.peek rowmill.db Orders

test: $(DEV_STAMP)  ## all tests, TESTS_AT_ONCE=4: many of them wait more than they work
	$(PYTEST)

test-kubernetes: $(DEV_STAMP)  ## the Kubernetes runner on the cluster of KUBECONFIG, with ROWMILL_TEST_IMAGE, and room for six pods (kind, k3d, EKS)
	ROWMILL_TEST_CLUSTER=1 $(BIN)/python -m pytest tests/kubernetes --timeout 1800 -rs

$(LOWEST)/.installed: $(DEV_STAMP) pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target $(LOWEST) \
		boto3==$(LOWEST_BOTO3) botocore==$(LOWEST_BOTO3)
	touch $@

test-lowest: $(LOWEST)/.installed  ## what talks to AWS, with the oldest boto3 that is promised; `test` has the newest
	PYTHONPATH=$(LOWEST) $(BIN)/python -c "import boto3; assert boto3.__version__ == '$(LOWEST_BOTO3)', boto3"
	PYTHONPATH=$(LOWEST) $(PYTEST) tests/contract/test_storage_s3.py tests/contract/test_table_dynamodb.py \
		tests/storage/test_s3_joining.py tests/tables/dynamodb/test_table.py tests/tables/dynamodb/test_sending.py

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV_STAMP)
	$(BIN)/mypy

imports: $(DEV_STAMP)
	$(BIN)/lint-imports

synth: $(DEV_STAMP)  ## the article's stack as a CloudFormation template, into infra/cdk.out; no docker, no account, no npm
	cd infra && CDK_OUTDIR=cdk.out JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20 ../$(BIN)/python app.py
	@ls infra/cdk.out/*.template.json

e2e: $(DEV_STAMP)  ## the constructs' template on the local AWS: a file lands, its output appears; part of `test`
	$(BIN)/python -m pytest tests/e2e

docs: $(DEV_STAMP)  ## the site, into site/; generated pages first
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict --quiet

docs-check: $(DEV_STAMP)  ## generated pages are up to date, and the site builds
	$(BIN)/python docs/generate.py --check
	$(BIN)/mkdocs build --strict --quiet

check: lint types imports docs-check test test-lowest  ## what CI runs

bench: $(DEV_STAMP)  ## measure, and write docs/benchmarks
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) $(DEMO) site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
