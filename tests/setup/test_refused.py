"""A drafted deploy.yml without what shipit refuses: what is cut, and what stays."""

from __future__ import annotations

import pytest

from shipit.errors import ConfigError
from shipit.setup.draft import with_todo
from shipit.setup.refused import without_refused

TEXT = """\
app: a
image: {repository: me/a, build: {context: x, args: {A-B: c, D: e}}}
env:
  N: "1"    # one
secrets:    # named
  X: {env: X}
  Y: {env: Y}
targets:
  # first
  swarm:    # here
    services:
      web: {port: 1, publish: ["80:1", "81:1"], replicas: 500}

# What shipit could not take over from the files of this project:
# TODO before
"""


def problem(word: str, *, file: str = "deploy.yml", nth: int = 0) -> ConfigError:
    """A mistake at the place of a word of the text."""
    at = -1
    for _ in range(nth + 1):
        at = TEXT.index(word, at + 1)
    line, column = TEXT.count("\n", 0, at) + 1, at - TEXT.rfind("\n", 0, at)
    return ConfigError("no", where=f"{file}:{line}:{column}", path="p", position=(line, column))


@pytest.mark.parametrize(
    ("word", "before", "after"),
    [
        ("500", ", replicas: 500", ""),
        ("port", "{port: 1, ", "{"),
        ("publish", 'publish: ["80:1", "81:1"], ', ""),
        ('"80:1"', '["80:1", "81:1"]', '["81:1"]'),
        ('"81:1"', '["80:1", "81:1"]', '["80:1"]'),
        ("A-B", "{A-B: c, D: e}", "{D: e}"),
        ("Y:", "  Y: {env: Y}\n", ""),
        ('"1"', 'env:\n  N: "1"    # one\n', "env: {}\n"),
        ("web", TEXT[TEXT.index("    services:") : TEXT.index("\n# What")], "    services: {}\n"),
        ("services", TEXT[TEXT.index("  swarm:") : TEXT.index("\n# What")], "  swarm: {}    # here\n"),
        ("env", 'env:\n  N: "1"    # one\n', ""),
    ],
)
def test_a_refused_key_or_item_is_cut(word: str, before: str, after: str) -> None:
    found = without_refused(TEXT, [problem(word)], "deploy.yml")
    assert before in TEXT and found is not None
    assert found.text == TEXT.replace(before, after)
    assert found.todo == "p is left out, since deploy.yml does not take it: no"


@pytest.mark.parametrize("word", ["app", "me/a", "build", "context", "image", "targets", "swarm", "TODO"])
def test_what_the_file_would_be_another_one_without_stays(word: str) -> None:
    assert without_refused(TEXT, [problem(word)], "deploy.yml") is None


def test_a_mistake_in_a_file_that_deploy_yml_names_cuts_nothing_from_it() -> None:
    assert without_refused(TEXT, [problem("500", file="k8s/a.yaml")], "deploy.yml") is None


def test_the_first_mistake_that_can_be_left_out_is() -> None:
    found = without_refused(TEXT, [problem("app"), problem("500"), problem("80:1")], "deploy.yml")
    assert found is not None and "500" not in found.text and "80:1" in found.text


def test_a_further_todo_is_behind_the_others() -> None:
    assert with_todo(TEXT, "x\ny") == f"{TEXT}# TODO x\\ny\n"
    head = "# What shipit could not take over from the files of this project:"
    assert with_todo("app: a\n", "x") == f"app: a\n\n{head}\n# TODO x\n"
