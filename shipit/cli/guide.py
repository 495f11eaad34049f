"""The topics of the guide."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

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
        """The first sentence of the text, without code blocks."""
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
