# Each target is the set-up and one command. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo demo-ui dev test test-next lint bench soak lock screenshots docs
BIN := spotenv/bin

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

setup: ## make spotenv/ ready for use
	@scripts/setup

setup-dev: ## make spotenv/ ready for development
	@scripts/setup dev

demo: setup ## see it all work, without a Spotify account
	@$(BIN)/spotify-assets demo

demo-ui: setup ## the same world kept alive, with the Dagster UI
	@$(BIN)/spotify-assets demo --ui

dev: setup ## the Dagster UI, schedules and sensors on your own data
	@$(BIN)/spotify-assets dev

docs: setup ## dbt's pages on your models, in dbt_project/target/static_index.html
	@$(BIN)/spotify-assets-dbt docs generate --static --quiet
	@echo "Open dbt_project/target/static_index.html"

test: setup-dev ## lint, type-check and run every test
	@scripts/test

test-next: ## all that dbt does here, on the dbt that comes next
	@scripts/setup next
	@scripts/test-next

lint: setup-dev ## lint and type-check
	@scripts/lint

bench: setup-dev ## speed and memory, as ratios measured side by side
	@$(BIN)/python -m benchmarks

soak: setup-dev ## the long randomised runs
	@$(BIN)/pytest -m soak

lock: setup-dev ## resolve the dependencies anew
	@scripts/lock

screenshots: setup-dev ## docs/images, from a real browser
	@$(BIN)/python scripts/screenshots.py
