"""A plan as Markdown, for the comment of a pull request: counts first, then each target folded. Pure.

Source: GitHub Flavored Markdown 0.29, 4.5 (fenced code), 4.6 (HTML blocks). A comment may have 65,536 characters, and mentions
and references in it notify people: text of others is in code, where there are none.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import get_args

from shipit.printable import counted, inert_line, printable_line
from shipit.release import Effect, Plan, Step, TargetPlan
from shipit.report.markdown_code import code_block, code_span
from shipit.report.plan_text import hook_lines, image_lines, promotion_lines, tag_lines, target_lines

LIMIT = 65_000
# Room that every target is given at least, and the longest name of a place.
_LEAST_BODY, _MOST_NAME = 400, 120


def render_plan_markdown(plan: Plan, *, full: bool = False, limit: int = LIMIT) -> str:
    """The Markdown of a plan, at most `limit` characters. Free text in it is redacted already. `full` is that of `render_plan`."""
    head = f"### shipit plan: {_code(plan.app)} to {_code(plan.environment)}\n\n{_summary(plan)}\n"
    blocks = [("images", "", list(image_lines(plan)))] if plan.images else []
    if promotion := plan.promotion:
        blocks.append((f"from {promotion.environment}", "", list(promotion_lines(plan))))
    blocks += [(own.target, _told(own), list(target_lines(own, full=full))) for own in plan.targets]
    if plan.tags:
        blocks.append(("when all are healthy", counted(len(plan.tags), "tag"), list(tag_lines(plan))))
    if plan.hooks:
        blocks.append(("around all of it", counted(len(plan.hooks), "hook"), list(hook_lines(plan))))
    return head + "".join(_fitted(blocks, limit - _size(head)))


def _fitted(blocks: Sequence[tuple[str, str, list[str]]], room: int) -> Iterator[str]:
    """Each block in an equal part of the room that is left; those that do not fit are counted at the end."""
    last = "\n{} more: see `shipit plan --full`\n"
    room -= _size(last) + 10
    for at, (name, said, lines) in enumerate(blocks):
        share = room // (len(blocks) - at)
        block = _fold(name, said, lines, max(share, _LEAST_BODY))
        if _size(block) > room:
            yield last.format(len(blocks) - at)
            return
        room -= _size(block)
        yield block


def _fold(name: str, said: str, lines: Sequence[str], room: int) -> str:
    """A fold with as many lines as there is room for."""
    title = f"<b>{_html(name)}</b>" + (f": {_html(said)}" if said else "")
    start, end = f"\n<details><summary>{title}</summary>\n\n", "\n</details>\n"
    shown = [inert_line(printable_line(line.removeprefix("  "))) for line in lines]
    kept, left = [], room - _size(start + end) - 80
    for line in shown:
        left -= _size(line) + 1
        if left < 0:
            break
        kept.append(line)
    if len(kept) < len(shown):
        kept.append(f"# and {counted(len(shown) - len(kept), 'more line')}: shipit plan --full")
    return start + code_block(kept, "diff") + end


def _summary(plan: Plan) -> str:
    if not plan.changes:
        return "**Up to date**: nothing to change."
    parts = [part for part in (_steps(step for own in plan.targets for step in own.steps), _delivery(plan)) if part]
    changed = sum(not own.is_empty for own in plan.targets)
    where = f" in {counted(changed, 'target')}" if changed else ""
    return f"**{counted(plan.changes, 'change')}**{where}: {'; '.join(parts)}.{_warning(plan)}"


def _warning(plan: Plan) -> str:
    count = sum(step.destroys for own in plan.targets for step in own.steps)
    if not count:
        return ""
    verbs = "step deletes or replaces" if count == 1 else "steps delete or replace"
    return f"\n\n**{count} {verbs} what may be missed.**"


def _steps(steps: Iterator[Step]) -> str:
    """`2 to create, 1 to change`."""
    found = Counter(step.effect for step in steps)
    return ", ".join(f"{found[effect]} to {effect}" for effect in get_args(Effect) if found[effect])


def _delivery(plan: Plan) -> str:
    uploads = sum(len(own.uploads) for own in plan.targets)
    parts = [counted(uploads, "upload")] if uploads else []
    return ", ".join([*parts, *([f"{counted(len(plan.tags), 'tag')} to move"] if plan.tags else [])])


def _told(own: TargetPlan) -> str:
    """What a target's fold is called, after its name: its place and its changes."""
    count = len(own.uploads) + len(own.steps)
    return f"{own.place.identity[:_MOST_NAME]}, {counted(count, 'change') if count else 'up to date'}"


def _html(text: str) -> str:
    """Text within an HTML block, in code."""
    return f"<code>{html.escape(inert_line(printable_line(text)))}</code>"


def _code(text: str) -> str:
    return code_span(inert_line(printable_line(text)))


def _size(text: str) -> int:
    """Characters as a browser counts them: those beyond the basic plane are two."""
    return len(text) + sum(character > "\uffff" for character in text)
