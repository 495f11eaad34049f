"""The origin of containers, as their labels tell it: any user of an engine can write labels."""

from __future__ import annotations

import pytest

from shipit.targets.engine.made_by import UNKNOWN, MadeBy, made_by
from shipit.targets.engine.owner import BY, COMMIT, RELEASE, origin_labels
from shipit.targets.engine.superseded import superseded, superseded_error

AT = "2026-01-31T12:00:00.123456789Z"


@pytest.mark.parametrize(
    ("labels", "created", "phrase"),
    [
        ({}, "", ""),
        ({}, AT, "from 2026-01-31T12:00:00Z"),
        (origin_labels("r1", "0123abc", "anna@laptop"), AT, "from 2026-01-31T12:00:00Z, with the labels of anna@laptop (run r1, commit 0123abc)"),
        (origin_labels("r1", "", "anna@laptop"), "2026-01-31T12:00:00+02:00", "from 2026-01-31T12:00:00+02:00, with the labels of anna@laptop (run r1)"),
        (origin_labels("r1", "", ""), "", "with the labels of (run r1)"),
        ({BY: "a\x1b[31m\nb\u202e"}, "", "with the labels of a\\x1b[31m\\nb\\u202e"),
        ({BY: " " * 300}, "", ""),
        ({BY: "x" * 10_000}, "", "with the labels of " + "x" * 200),
        ({RELEASE: "r 1", COMMIT: "; rm"}, "", ""),
        ({RELEASE: "r" * 65}, "yesterday", ""),
        ({}, "0001-01-01T00:00:00Z", ""),
        ({}, "2026-01-31T12:00:00Z\n", ""),
    ],
)  # fmt: skip
def test_labels_and_a_time_say_who_made_a_container(labels: dict[str, str], created: str, phrase: str) -> None:
    assert made_by(labels, created).phrase == phrase


def test_a_verdict_and_an_error_tell_who_made_what_was_found() -> None:
    made = MadeBy("anna@laptop", "r1", at="2026-01-31T12:00:00Z")
    verdict, error = superseded("web-1 runs", made), superseded_error("web-1 runs", "hosts", made)
    assert (
        verdict.reason
        == error.what
        == "superseded by someone else: web-1 runs, from 2026-01-31T12:00:00Z, with the labels of anna@laptop (run r1)"
    )
    assert verdict.superseded_by == error.superseded_by == "someone else"
    assert superseded("x", UNKNOWN).reason == "superseded by someone else: x"
