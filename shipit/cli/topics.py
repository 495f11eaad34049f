"""`shipit help TOPIC`: the sections of the guide, in a terminal."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from shipit.cli.ending import ending
from shipit.cli.say import result
from shipit.errors import UsageError

# The same text is docs/guide.md.
GUIDE = Path(__file__).with_name("guide.md")


@dataclass(frozen=True)
class Topic:
    """One section: its name in one word or several joined by `-`, its title, and its text."""

    name: str
    title: str
    text: str

    @property
    def summary(self) -> str:
        """The first sentence that is no example."""
        plain = re.sub(r"```.*?```", "", self.text, flags=re.DOTALL).strip().split("\n\n")[0]
        first = re.split(r"(?<=[.:])\s", " ".join(plain.split()))[0]
        return first.rstrip(":.").replace("`", "")


def read_topics() -> list[Topic]:
    """The topics, in the order of the guide."""
    text = GUIDE.read_text()
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return [
        Topic(re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-"), title, body.strip())
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    ]


def run_help(topic: str | None) -> None:
    with ending(False):
        topics = read_topics()
        if topic is None:
            width = max(len(item.name) for item in topics)
            result("shipit help TOPIC\n")
            for item in topics:
                result(f"  {item.name:<{width}}  {item.summary}")
            result("\nshipit COMMAND --help tells of a command and its options.")
            return
        from shipit.cli.app import app

        wanted = topic.lower()
        commands = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
        exact = [item for item in topics if item.name == wanted]
        if not exact and wanted in commands:
            app([wanted, "--help"], prog_name="shipit")
        for item in exact or [item for item in topics if wanted in item.name.split("-")]:
            result(f"{item.title}\n{'=' * len(item.title)}\n\n{item.text}")
            return
        near = difflib.get_close_matches(wanted, [*(item.name for item in topics), *commands], 1)
        hint = f"did you mean {near[0]}?" if near else "shipit help lists the topics"
        raise UsageError(f"there is no topic {topic!r}", hint=hint)
