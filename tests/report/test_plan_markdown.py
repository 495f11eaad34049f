"""A plan as Markdown for a pull request: exact text, bounds, and what hostile text can't do."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.digest import Digest
from shipit.release import Place, Plan, PlannedImage, Step, TagMove, TargetPlan, Upload
from shipit.report.plan_markdown import LIMIT, render_plan_markdown
from tests.report.test_hostile_text import HOSTILE

DIGEST = Digest.of(b"")
PLACE = Place("kubernetes", "namespace shop")
STEPS = (
    Step("a", "create Service/web", effect="create"),
    Step("b", "change Deployment/web", ("replicas  1 -> 2",)),
    Step("c", "replace Job/x", effect="replace", destroys=True),
)
WHOLE = Plan(
    "shop",
    "production",
    (PlannedImage("web", "linux/amd64", DIGEST, "native"),),
    (
        TargetPlan("k8s", PLACE, (Upload("web", "r/shop", DIGEST, 1, 1024),), STEPS, ("Service/old stays",)),
        TargetPlan("hub", Place("registry", "r/shop")),
    ),
    (TagMove("r/shop", "latest", DIGEST, Digest.of(b"1")),),
)


def test_the_whole_markdown_of_a_plan() -> None:
    assert render_plan_markdown(WHOLE).split("\n") == [
        "### shipit plan: `shop` to `production`",
        "",
        "**5 changes** in 1 target: 1 to create, 1 to change, 1 to replace; 1 upload, 1 tag to move.",
        "",
        "**1 step deletes or replaces what may be missed.**",
        "",
        "<details><summary><b><code>images</code></b></summary>",
        "",
        "```diff",
        f"web  {DIGEST.short}  native",
        "```",
        "",
        "</details>",
        "",
        "<details><summary><b><code>k8s</code></b>: <code>namespace shop, 4 changes</code></summary>",
        "",
        "```diff",
        f"+ push r/shop@{DIGEST.short}  1 layer, 1.0 KiB",
        "+ create Service/web",
        "~ change Deployment/web",
        "    replicas  1 -> 2",
        "! replace Job/x",
        ". Service/old stays",
        "```",
        "",
        "</details>",
        "",
        "<details><summary><b><code>hub</code></b>: <code>r/shop, up to date</code></summary>",
        "",
        "```diff",
        "= up to date",
        "```",
        "",
        "</details>",
        "",
        "<details><summary><b><code>when all are healthy</code></b>: <code>1 tag</code></summary>",
        "",
        "```diff",
        "> move r/shop:latest",
        "```",
        "",
        "</details>",
        "",
    ]


def test_a_plan_without_changes_says_so() -> None:
    text = render_plan_markdown(Plan("shop", "production", targets=(TargetPlan("k8s", PLACE),)))
    assert "**Up to date**: nothing to change." in text


def _large(targets: int, steps: int, lines: int, line: str = "x" * 150) -> Plan:
    step = Step("s", "change Deployment/web", (line,) * lines)
    return Plan("shop", "p", targets=tuple(TargetPlan(f"t{at}", PLACE, steps=(step,) * steps) for at in range(targets)))


@pytest.mark.parametrize(("targets", "steps", "lines"), [(1, 3000, 8), (500, 100, 8), (3, 1, 20_000), (2000, 1, 1)])
def test_large_plans_are_cut_and_say_so(targets: int, steps: int, lines: int) -> None:
    for full in (False, True):
        text = render_plan_markdown(_large(targets, steps, lines), full=full)
        assert len(text) <= LIMIT
        assert "shipit plan --full" in text
        assert text.count("<details>") == text.count("</details>") > 0


def test_every_target_gets_a_part_of_the_room() -> None:
    text = render_plan_markdown(_large(20, 500, 8), full=True)
    assert all(f"<code>t{at}</code>" in text for at in range(20))


def test_characters_that_count_twice_count_twice() -> None:
    text = render_plan_markdown(_large(1, 1, 3000, "\U0001f600" * 30), full=True)
    assert len(text.encode("utf-16-le")) // 2 <= LIMIT


def test_full_shows_all_that_fits() -> None:
    plan = _large(1, 1, 50)
    assert "and 42 more lines" in render_plan_markdown(plan)
    assert render_plan_markdown(plan, full=True).count("x" * 150) == 50


MORE = ["```\n<script>", "</code></summary><img src=x>", "@everyone #1 [a](http://x)", "`" * 200, "</details>", "|a|b|"]


@pytest.mark.parametrize("text", [*HOSTILE, *MORE])
def test_hostile_text_stays_in_code(text: str) -> None:
    _check(text)


@given(st.text(max_size=300))
def test_any_text_stays_in_code(text: str) -> None:
    _check(text)


def _check(text: str) -> None:
    step = Step("a", text, (text, text))
    plan = Plan(text, text, (PlannedImage("web", "p", DIGEST, text, text),), (TargetPlan(text, Place("k", text), steps=(step,), notes=(text,)),))  # fmt: skip
    shown = render_plan_markdown(plan, full=True)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert not re.search(r"^\s*::|##\[", shown, re.MULTILINE)
    lines = shown.split("\n")
    fences = [at for at, line in enumerate(lines) if re.fullmatch("`{3,}diff", line)]
    assert len(fences) == 2
    for start, after in pairwise([*fences, len(lines)]):
        fence = lines[start].removesuffix("diff")
        inside = lines[start + 1 : lines.index(fence, start)]
        assert inside and all(fence not in line for line in inside)
        outside = lines[lines.index(fence, start) + 1 : after]
        assert all(line == "" or line.startswith(("</details>", "<details><summary><b><code>")) for line in outside)
    for line in lines:
        if line.startswith("<details>"):
            assert re.fullmatch(r"<details><summary>(<b>)?[^<>]*(</?(b|code)>[^<>]*)*</summary>", line)
