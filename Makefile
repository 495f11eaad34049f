.PHONY: demo test test-fast test-deep lint format docs bench clean

demo: ## a deploy from start to end, on stand-ins that run on this machine
	@bin/setup run
	@.venv/bin/python -m shipit.rehearsal.demo

test: ## lint, types, unit, contract and end-to-end tests
	@bin/test

test-fast: ## unit and in-memory tests only, in under a minute
	@bin/test-fast

test-deep: ## many more random inputs, the oldest dependencies that are allowed, and Debian 13's Python
	@bin/test-deep

lint: ## format, lint and types only
	@bin/setup dev
	@bin/lint

format: ## format the source
	@bin/setup dev
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

docs: ## regenerate the generated pages
	@bin/setup dev
	@.venv/bin/python -m docs.generate

bench: ## the measurements in benchmarks/
	@bin/setup dev
	@.venv/bin/python -m benchmarks.startup
	@.venv/bin/python -m benchmarks.language
	@.venv/bin/python -m benchmarks.push --alone

clean: ## remove the environments and what tools left
	@rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
