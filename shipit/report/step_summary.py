"""A run as a step summary of GitHub Actions: Markdown, at most 1 MiB. Pure.

Source: GitHub Actions, "Workflow commands", GITHUB_STEP_SUMMARY; GitHub Flavored Markdown 0.29, 4.5 and 6.1.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from shipit.events import Event, PlanMade, RunFailed, RunFinished, RunStarted, TargetFinished
from shipit.printable import printable_line
from shipit.report.markdown_code import code_block, code_span
from shipit.report.text import SIGNS, plan_lines, seconds

LIMIT_BYTES = 1024 * 1024
# A block of code is cut to its last lines, a plan to its first.
_MOST_CODE_BYTES = 100_000
_CUT = "\n(cut: a summary takes 1 MiB)\n"
_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>:@])")


def render_summary(events: Iterable[Event], room_bytes: int = LIMIT_BYTES) -> str:
    """The Markdown of a run's events; blocks that do not fit into `room_bytes` are left out, with a line that says so."""
    text = ""
    for block in _blocks(list(events)):
        if len((text + block + _CUT).encode()) > room_bytes:
            return text + _CUT if len((text + _CUT).encode()) <= room_bytes else ""
        text += block
    return text


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _MARKS.sub(r"\\\1", html.escape(printable_line(text), quote=False))


def _blocks(events: Sequence[Event]) -> Iterator[str]:
    started = next((event for event in events if isinstance(event, RunStarted)), None)
    if started:
        yield f"## shipit {started.command}: {escaped(started.app)} ({escaped(started.environment)})\n\n"
    yield from (_failure(event) for event in events if isinstance(event, RunFailed))
    yield from (_outcome(event) for event in events if isinstance(event, RunFinished))
    finished = [event for event in events if isinstance(event, TargetFinished)]
    if finished:
        yield "| target | verdict | reason | time |\n| --- | --- | --- | --- |\n"
        yield from (_row(event) for event in finished)
        yield "\n"
    yield from (_cause(event) for event in finished if event.state == "failed")
    yield from _images(finished)
    yield from (_plan(event) for event in events if isinstance(event, PlanMade))


def _failure(event: RunFailed) -> str:
    return f"**failed**\n\n{code_block(_last(event.message.splitlines()))}\n"


def _outcome(event: RunFinished) -> str:
    word = "done" if event.exit_code == 0 else "failed"
    urls = "".join(f"- {escaped(found.target)}: {_link(found.url)}\n" for found in event.urls)
    following = f"next: {code_span(event.next)}\n\n" if event.next else ""
    head = f"**{word}**: {escaped(event.summary)} in {seconds(event.elapsed_s)}"
    return f"{head}\n\n{urls}{chr(10) if urls else ''}{following}"


def _link(url: str) -> str:
    """A URL that can be clicked; one with characters that would end the link is text."""
    return f"<{url}>" if re.fullmatch(r"https?://[^\s<>\x00-\x1f\x7f-\U0010ffff]+", url) else escaped(url)


def _row(event: TargetFinished) -> str:
    reason, time = escaped(event.verdict.reason), seconds(event.elapsed_s)
    return f"| {escaped(event.target)} | {SIGNS[event.state]} | {reason} | {time} |\n"


def _cause(event: TargetFinished) -> str:
    verdict = event.verdict
    lines = [f"### {escaped(event.target)}\n\n"]
    lines += [f"{escaped(text)}\n\n" for text in (verdict.down, verdict.hint and f"hint: {verdict.hint}") if text]
    return "".join(lines) + (f"{code_block(_last(verdict.detail))}\n" if verdict.detail else "")


def _images(finished: Sequence[TargetFinished]) -> Iterator[str]:
    references = dict.fromkeys(image.reference for event in finished for image in event.images)
    if references:
        yield code_block(list(references)) + "\n"


def _plan(event: PlanMade) -> str:
    body = code_block(_first(plan_lines(event.plan)))
    return f"<details><summary>Plan</summary>\n\n{body}\n</details>\n\n"


def _last(lines: Sequence[str]) -> list[str]:
    return _first(lines[::-1])[::-1]


def _first(lines: Sequence[str]) -> list[str]:
    """As many of the first lines as a block of code takes."""
    kept, size = [], 0
    for line in lines:
        size += len(line.encode(errors="replace")) * 4 + 1
        if size > _MOST_CODE_BYTES:
            break
        kept.append(line)
    return kept
