"""What is sent to a place as text: manifests as YAML for kubectl, requests as JSON. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from shipit.printable import printable_line
from shipit.release import Rendered, RenderedPart

# Text that no reader of YAML takes for a number, a date, a truth value or null.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"])


class _Dumper(yaml.SafeDumper):
    """Quotes text that a version of YAML reads as another type, and repeats values instead of naming them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _represent)
_Dumper.add_multi_representer(str, _represent)


def render_text(rendered: Rendered) -> Iterator[str]:
    """The lines. Its free text is redacted already.

    A Secret is a comment: applied without its values, it would remove those of the cluster.
    """
    lines = _manifest if rendered.form == "manifests" else _request
    yield printable_line(f"# {rendered.target}: {rendered.place.identity}")
    for part in rendered.parts:
        yield from lines(part)


def _manifest(part: RenderedPart) -> Iterator[str]:
    text = yaml.dump(part.body, Dumper=_Dumper, sort_keys=False, width=1_000_000, allow_unicode=True)
    yield "---"
    if part.left_out:
        yield f"# {part.name}: shipit deploy fills in the values"
    before = "# " if part.left_out else ""
    for line in text.rstrip("\n").split("\n"):
        yield printable_line(f"{before}{line}")


def _request(part: RenderedPart) -> Iterator[str]:
    yield ""
    yield printable_line(part.name)
    if part.left_out:
        yield printable_line(f"# without the values of {', '.join(part.left_out)}")
    yield from map(printable_line, json.dumps(part.body, indent=2, ensure_ascii=False).split("\n"))
