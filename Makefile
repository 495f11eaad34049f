.PHONY: demo test test-fast test-deep lint format docs bench clean

demo: ## the main job, start to end, on stand-ins that run here
	@bin/setup run
	@.venv/bin/python -m shipit.rehearsal.demo

test: ## lint, types, unit, contract and end-to-end tests
	@bin/test

test-fast: ## unit and in-memory tests only, in less than a minute
	@bin/test-fast

test-deep: ## the same with many more random inputs, and with the oldest dependencies that are allowed
	@HYPOTHESIS_PROFILE=deep bin/test
	@bin/test-lowest

lint: ## format, lint and types only
	@bin/setup dev
	@bin/lint

format: ## bring the source into its format
	@bin/setup dev
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

docs: ## write the generated pages anew
	@bin/setup dev
	@.venv/bin/python -m docs.generate

bench: ## the measurements in benchmarks/
	@bin/setup dev
	@.venv/bin/python -m benchmarks.startup
	@.venv/bin/python -m benchmarks.language
	@.venv/bin/python -m benchmarks.push --alone

clean: ## forget the environment and what tools left
	@rm -rf .venv .venv-lowest .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
