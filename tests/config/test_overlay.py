"""Environments: how an overlay is merged into the file, and which targets it leaves."""

from __future__ import annotations

from typing import Any

import pytest

from shipit.config.document import Mapping_, parse_document, plain_data
from shipit.config.overlay import merge, overlay, overlays_of
from shipit.config.source import Source, Texts
from shipit.errors import ConfigErrors, UsageError


def tree(text: str) -> Mapping_:
    parsed = parse_document(text.encode(), "deploy.yml")
    assert isinstance(parsed, Mapping_)
    return parsed


@pytest.mark.parametrize(
    ("base", "over", "merged"),
    [
        ("{a: 1}", "{b: 2}", {"a": 1, "b": 2}),
        ("{a: 1}", "{a: 2}", {"a": 2}),
        ("{a: {b: 1, c: 2}}", "{a: {c: 3}}", {"a": {"b": 1, "c": 3}}),
        ("{a: [1, 2]}", "{a: [3]}", {"a": [3]}),
        ("{a: 1, b: 2}", "{a: null}", {"b": 2}),
        ("{a: 1}", "{b: null}", {"a": 1}),
        ("{a: {b: 1, c: 2}}", "{a: {b: null}}", {"a": {"c": 2}}),
        ("{a: {b: 1}}", "{a: text}", {"a": "text"}),
        ("{a: text}", "{a: {b: 1}}", {"a": {"b": 1}}),
    ],
    ids=["a new key", "another value", "maps merge", "lists replace", "null removes", "null of what is not there",
         "null within a map", "text for a map", "a map for text"],
)  # fmt: skip
def test_merging_a_tree_over_another(base: str, over: str, merged: Any) -> None:
    assert plain_data(merge(tree(base), tree(over))) == merged


FILE = """\
app: shop
env: {MODE: prod}
targets: {hub: {settle: 1s}, k8s: {port: 80}}
environments:
  staging: {targets: {k8s: {port: 81}}}
  everything: {inherit: true, env: {MODE: test}}
  empty:
"""


def laid(text: str, selected: str | None) -> Any:
    parsed, texts = tree(text), Texts()
    texts["deploy.yml"] = text.encode()
    return plain_data(overlay(parsed, selected, Source("deploy.yml", texts, parsed))[0])


def test_an_overlay_keeps_only_the_targets_that_it_names() -> None:
    found = laid(FILE, "staging")
    assert found == {"app": "shop", "env": {"MODE": "prod"}, "targets": {"k8s": {"port": 81}}}


def test_an_overlay_that_inherits_keeps_every_target() -> None:
    found = laid(FILE, "everything")
    assert found["env"] == {"MODE": "test"} and set(found["targets"]) == {"hub", "k8s"}


def test_an_empty_overlay_has_no_targets() -> None:
    assert laid(FILE, "empty")["targets"] == {}


def test_without_a_choice_the_file_is_as_written_unless_production_is_in_it() -> None:
    assert set(laid(FILE, None)["targets"]) == {"hub", "k8s"}
    with_production = FILE + "  production: {targets: {hub: {settle: 9s}}}\n"
    assert laid(with_production, None)["targets"] == {"hub": {"settle": "9s"}}


def test_an_environment_that_is_not_there_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="there is no environment 'stagin'") as caught:
        laid(FILE, "stagin")
    assert "staging" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        laid("app: shop\n", "staging")
    assert caught.value.hint == "add it under environments:"


@pytest.mark.parametrize(
    ("written", "path", "what"),
    [
        ("[1]", "environments.e", "should be a map of keys"),
        ("{include: x.yml}", "environments.e.include", "belongs at the top level"),
        ("{environments: {}}", "environments.e.environments", "belongs at the top level"),
        ("{inherit: 7}", "environments.e.inherit", "should be true or false"),
    ],
)
def test_an_overlay_of_another_form_is_an_error_at_its_key(written: str, path: str, what: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        laid(f"app: shop\nenvironments: {{e: {written}}}\n", "e")
    (problem,) = caught.value.problems
    assert problem.path == path and what in problem.what


@pytest.mark.parametrize("text", ["app: shop\n", "environments: 7\n", "environments: [a]\n", "environments: {}\n"])
def test_a_file_without_environments_has_no_overlay(text: str) -> None:
    assert overlays_of(tree(text)) == {}
