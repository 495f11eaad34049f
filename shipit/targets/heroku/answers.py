"""Parses answers of Heroku's API, field by field. Pure."""

from __future__ import annotations

import re

from shipit.digest import parse_digest
from shipit.http.fields import Field
from shipit.targets.heroku.observed import AppFacts, DynoFacts, ProcessFacts, ReleaseFacts

PROCESS = re.compile(r"[-A-Za-z0-9_]{1,128}", re.ASCII)
# Becomes part of paths.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_ID_EXPECTED = "an id of letters, digits and '-'"
_PROCESS_EXPECTED = "a process type of letters, digits, '-' and '_'"


def parse_app(body: Field) -> AppFacts:
    stacks = (body[name]["name"].text() for name in ("stack", "build_stack"))
    return AppFacts(
        body["id"].matching(_ID, _ID_EXPECTED),
        body["name"].exact(),
        tuple(stacks),
        body["generation"]["name"].text("cedar"),
        body["maintenance"].flag(False),
        body["web_url"].text(),
    )


def parse_release(body: Field) -> ReleaseFacts:
    return ReleaseFacts(
        body["id"].matching(_ID, _ID_EXPECTED),
        body["version"].count(),
        body["status"].exact(),
        body["description"].text(),
        body["output_stream_url"].text() or None,
        body["eligible_for_rollback"].flag(True),
        body["user"]["email"].text(),
        body["created_at"].text(),
    )


def parse_releases(body: Field) -> tuple[ReleaseFacts, ...]:
    """Releases, newest first."""
    found = [parse_release(item) for item in body.present().rows()]
    return tuple(sorted(found, key=lambda release: release.version, reverse=True))


def parse_process(body: Field) -> ProcessFacts:
    image = body["docker_image"]
    digest = image.text() if image.is_text else image["id"].text()
    return ProcessFacts(body["quantity"].count(), body["size"].text(), parse_digest(digest))


def parse_formation(body: Field) -> dict[str, ProcessFacts]:
    """Process types by name."""
    return {item["type"].matching(PROCESS, _PROCESS_EXPECTED): parse_process(item) for item in body.present().rows()}


def parse_dyno(body: Field) -> DynoFacts:
    return DynoFacts(
        body["name"].exact(),
        body["type"].exact(),
        body["state"].exact(),
        body["release"]["version"].whole(),
        body["id"].text(),
        body["updated_at"].text(),
    )


def parse_config(body: Field) -> dict[str, str]:
    """Config vars by name."""
    return {name: value.exact() for name, value in body.present().items()}
