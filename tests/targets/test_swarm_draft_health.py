"""The health check of a Compose service as a drafted swarm takes it."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.targets.swarm.draft_health import DraftedHealth, draft_health

IN_FULL: dict[str, Any] = {"test": ["CMD", "curl", "http://x/"], "interval": "5s", "timeout": "1m30s", "retries": "3", "start_period": "2m"}  # fmt: skip


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (IN_FULL, 'healthcheck: {test: [curl, "http://x/"], interval: 5s, timeout: 1m30s, start_period: 2m, retries: 3}'),
        ({"test": "curl -f http://localhost:3000/up || exit 1"}, 'healthcheck: {test: "curl -f http://localhost:3000/up || exit 1"}'),
        ({"test": ["CMD-SHELL", "test $$A -a ${B:-c}"]}, 'healthcheck: {test: "test $A -a c"}'),
        ({"test": ["NONE"]}, "healthcheck: {disable: true}"),
        ({"test": "NONE"}, "healthcheck: {disable: true}"),
        ({"disable": "true"}, "healthcheck: {disable: true}"),
        ({"interval": "5s"}, "healthcheck: {interval: 5s}"),
        (None, ""),
        ({}, ""),
        ({"test": None}, ""),
    ],
)  # fmt: skip
def test_a_health_check_is_taken_over(check: dict[str, Any] | None, text: str) -> None:
    assert draft_health({"healthcheck": check}) == DraftedHealth(text)


@pytest.mark.parametrize(
    ("check", "found"),
    [
        ({"test": "a", "interval": "500ms", "start_interval": "1s"},
         DraftedHealth("healthcheck: {test: a}", ("healthcheck.interval 500ms and healthcheck.start_interval 1s",))),
        ({"test": ["CMD", "curl", "$URL"], "interval": "5s"},
         DraftedHealth(todo=("healthcheck: Compose replaces variables in its test, deploy.yml does not",))),
        ({"test": "redis-cli --pass hunter2 ping"}, DraftedHealth(todo=("healthcheck: its test has the value of --pass",))),
    ],
)  # fmt: skip
def test_what_is_not_taken_over_is_told(check: dict[str, Any], found: DraftedHealth) -> None:
    assert draft_health({"healthcheck": check}) == found
