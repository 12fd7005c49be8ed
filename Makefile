# What people type. Only `check`, `build-...` and `deploy` need more than Go.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The flags of the functions themselves, so that the compiler does its work once for both. It is not `go run`, which takes Ctrl-C for a
# failure.
local := CGO_ENABLED=0 go build -trimpath -tags lambda.norpc -o .build/cmd ./internal/local/cmd && exec .build/cmd

WHAT ?=
LISTEN ?= 127.0.0.1:0
ARGS ?=
CONTACTS ?=
STAGE ?= dev

.PHONY: help
help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Run everything on this machine; ARGS=-help lists switches
	@$(local) run $(ARGS)

.PHONY: demo
demo: ## Connect and import without hands; CONTACTS=export.csv takes a file of yours
	@$(local) demo $(if $(CONTACTS),-contacts '$(CONTACTS)') $(ARGS)

.PHONY: sim
sim: ## Serve one simulator: WHAT=aws|salesforce|referralhero|oidc LISTEN=127.0.0.1:8001 ARGS=...
	@$(local) sim -what '$(WHAT)' -listen '$(LISTEN)' $(ARGS)

.PHONY: smoke
smoke: ## Try our assumptions on a real org and a real campaign, reading only; ARGS=-help says how
	@$(local) smoke $(ARGS)

.PHONY: test
test: ## Test everything that needs Go only
	go test -race -shuffle=on ./...

.PHONY: check
check: lint template supply conformance other upgrade browser foreign ## Lint, check the template, and test with what must be installed first

.PHONY: prove
prove: ## Run an experiment: WHAT=import|connections|sync|conversions|permissions|upgrade|deploy
	@$(local) prove $(WHAT) $(ARGS)

.PHONY: bench
bench: ## Measure: WHAT=import
	@$(local) prove $(or $(WHAT),import) $(ARGS)

.PHONY: cost
cost: ## Print what a month at AWS costs, as README has it
	@$(local) cost

.PHONY: build
build: ## Build all functions for AWS Lambda, packed in .build/
	@$(local) build $(ARGS)

.PHONY: deploy
deploy: ## Deploy to AWS: STAGE=dev|staging|prod
	sam build
	sam deploy --config-env $(STAGE)

.PHONY: clean
clean: ## Forget what was built and what `make run` kept
	rm -rf .build .local .aws-sam

# ---- the parts of check ------------------------------------------------------------------------------------------

.PHONY: lint
lint:
	@unformatted=$$(gofmt -l functions internal .ci); if [[ -n $$unformatted ]]; then echo "not formatted: $$unformatted"; exit 1; fi
	go vet ./...
	go vet -tags browser,foreign ./...
	go -C .ci/foreign/go-salesforce vet .
	go tool -modfile=.ci/tools/go.mod staticcheck -tags browser,foreign ./...

cfn_lint := .tools/cfn-lint==1.58.0
sam := .tools/aws-sam-cli==1.170.0
checkov := .tools/checkov==3.3.30

.PHONY: template
template: cfn-lint checkov sam-lint sam-build

.PHONY: cfn-lint
cfn-lint: $(cfn_lint)/installed
	$(cfn_lint)/bin/cfn-lint $(ARGS) template.yaml

.PHONY: checkov
checkov: $(checkov)/installed
	$(checkov)/bin/checkov --config-file .ci/checkov.yaml $(ARGS)

.PHONY: sam-lint
sam-lint: $(sam)/installed
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(sam)/bin/sam validate --lint --template template.yaml

# As `make deploy` builds: a package of each function, with what makes it another one when settings change.
.PHONY: sam-build
sam-build: $(sam)/installed
	@mkdir -p .build
	SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 $(sam)/bin/sam build --build-dir .build/sam --cache-dir .build/sam-cache >.build/sam.log 2>&1 || { cat .build/sam.log; exit 1; }
	@packages=$$(ls -d .build/sam/*/bootstrap .build/sam/*/settings | wc -l); test "$$packages" -eq $$((2 * $$(ls functions/*/main.go | wc -l))) || { ls .build/sam/*; exit 1; }

# A tool of Python's in an environment of its own. Its version is in the name, so that another one is installed anew.
.tools/%/installed:
	rm -rf '.tools/$*'
	python3 -m venv '.tools/$*'
	'.tools/$*/bin/pip' install --quiet --disable-pip-version-check '$*'
	touch $@

# That the modules are those of go.sum, and that the same source makes the same packages.
.PHONY: supply
supply:
	go mod verify
	.ci/reproducible

# The suites of whatever has two implementations, on AWS's own DynamoDB and on an SQS that we did not write.
.PHONY: conformance
conformance:
	.ci/tools/beside DYNAMODB_ENDPOINT .ci/dynamodb-local go test -count=1 ./internal/sim/aws/dynamodb/... ./internal/store/...
	.ci/tools/beside SQS_ENDPOINT .ci/other-sqs go test -count=1 ./internal/sim/aws/sqs/... ./internal/queue/...

# The demonstration on an AWS that we did not write.
.PHONY: other
other:
	.ci/tools/beside AWS_ENDPOINT_URL .ci/other-sqs .ci/tools/beside AWS_ENDPOINT_URL_DYNAMODB .ci/dynamodb-local .ci/other-demo

# This release and the one before it, taking over from each other in the middle of the work.
.PHONY: upgrade
upgrade:
	@if [[ $$(git rev-parse --is-shallow-repository) == true ]]; then echo "upgrade: NOT TRIED: this clone has no history (git fetch --unshallow)"; else $(local) prove upgrade; fi

.PHONY: browser
browser:
	.ci/axe
	go test -count=1 -tags browser -run Browser ./functions/console

# Clients that others wrote for the real Salesforce, on the simulated org.
.PHONY: foreign
foreign:
	.ci/foreign/run

# ---- what `sam build` calls ----------------------------------------------------------------------------------------

# build-TokenBrokerFunction builds functions/token-broker into ARTIFACTS_DIR. The sums of the template and of the parameters go along: SAM publishes
# a version, which is what everybody calls, only where the package has changed, and the environment and the time-out are part of a version.
build-%Function:
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build -buildvcs=false -trimpath -ldflags '-s -w' -tags lambda.norpc -o '$(ARTIFACTS_DIR)/bootstrap' \
		./functions/$$(sed -E 's/([a-z0-9])([A-Z])/\1-\2/g' <<<'$*' | tr '[:upper:]' '[:lower:]')
	cksum samconfig.toml template.yaml >'$(ARTIFACTS_DIR)/settings'
