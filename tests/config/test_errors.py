"""Mistakes in deploy.yml that are too large, too many or too secret for a file in `bad/`."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.config.load import load_project
from shipit.errors import ShipitError
from shipit.targets.kinds import KindModels
from tests.runs import environment

HEAD = "app: hello\nimage: user/hello\n"


def message(folder: Path, text: str, **variables: str) -> str:
    (folder / "deploy.yml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ShipitError) as caught:
        load_project(folder / "deploy.yml", environment(folder, **variables), KindModels())
    assert caught.value.exit_code == 2
    return caught.value.render()


BOMBS = {
    "brackets": ("[" * 5000, "at most 64 deep"),
    "braces": ("{a: " * 5000, "at most 64 deep"),
    "dashes": ("- " * 500_000 + "x", "at most 64 deep"),
    "question marks": ("? " * 500_000, "a key should be plain text"),
    "dashes and question marks": ("- ? " * 200_000, "a key should be plain text"),
    "indentation": ("".join(f"{' ' * depth}a:\n" for depth in range(1400)), "at most 64 deep"),
    "aliases": (
        "x-a: &a [l, l, l, l, l, l, l, l, l]\n"
        + "".join(
            f"x-{n}: &{n} [{', '.join([f'*{p}'] * 9)}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "at most 100,000 values, aliases counted",
    ),
    "merges": ("a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 60)), "values"),
    "size": (f"{HEAD}x-large: {'x' * 1024 * 1024}\n", "at most 1,048,576"),
    "variables in variables": (f"{HEAD}env: {{A: '{'${A:-' * 50_000}{'}' * 50_000}'}}\n", "should nest at most 20 deep"),
    "variables": (f"{HEAD}env: {{A: '{'${LONG}' * 5000}'}}\n", "should be at most 1,048,576 characters"),
    "unknown keys": (HEAD + "".join(f"key{n}: 1\n" for n in range(20_000)), "19,000 more mistakes are not listed"),
    "a long reference": (f"app: hello\nimage: {'A' * 500_000}!/x\n", "should be an image reference"),
    "a long line": (f"{HEAD}env: {{{', '.join(f'A{n}: x' for n in range(50_000))}, 9: x}}\n", "a variable's name"),
}  # fmt: skip


@pytest.mark.large
@pytest.mark.parametrize("bomb", BOMBS)
def test_what_explodes_elsewhere_is_told_here(tmp_path: Path, bomb: str) -> None:
    text, expected = BOMBS[bomb]
    shown = message(tmp_path, text, LONG="x" * 100_000)
    assert shown.startswith("deploy.yml:") and expected in shown
    assert max(map(len, shown.splitlines())) < 400


@pytest.mark.large
def test_a_long_chain_of_needs_is_followed(tmp_path: Path) -> None:
    chain = [f"  t{n}: {{kind: heroku, app: app-{n}, needs: [t{n + 1}]}}" for n in range(2000)]
    text = f"{HEAD}targets:\n" + "\n".join(chain) + "\n  t2000: {kind: heroku, app: app-last, needs: [t0]}\n"
    shown = message(tmp_path, text)
    assert "targets.t0.needs[0]: targets need each other: t0 -> t1 -> t2" in shown


def test_no_value_of_a_secret_shows_in_a_message(tmp_path: Path) -> None:
    written = message(tmp_path, f"{HEAD}secrets: {{TOKEN: {{file: 1, env: canary-4711}}}}\n")
    assert "canary" not in written
    text = f'{HEAD}secrets: {{TOKEN: {{env: TOKEN}}}}\ntargets: {{k8s: {{needs: ["${{TOKEN}}"]}}}}\n'
    given = message(tmp_path, text, TOKEN="canary-4711")
    assert "there is no target '[redacted]'" in given and "canary" not in given
