"""Kamal's config/deploy.yml, without its Ruby. Reads only.

Source: kamal-deploy.org/docs/configuration.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from shipit.drafts.reading import parse_yaml_as_text, read_text
from shipit.drafts.values import as_text

FILE = "config/deploy.yml"
# `<%= ... %>` stays: a value that has it is unknown.
_RUBY = re.compile(r"(?m)^[ \t]*<%(?!=)[^\n]*?%>[ \t]*$")


def read_kamal_file(root: Path) -> dict[str, Any]:
    """The map of the file, with every scalar as text; empty for a file that is not Kamal's."""
    documents = parse_yaml_as_text(_RUBY.sub("", read_text(root / FILE)))
    data = documents[0] if len(documents) == 1 else {}
    return data if as_text(data.get("service")) and data.get("servers") else {}
