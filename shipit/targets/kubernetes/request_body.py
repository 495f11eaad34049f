"""The JSON of request bodies. Pure.

The API server reads what is applied as YAML. That has no surrogate pairs, as JSON escapes characters beyond U+FFFF by default,
and takes some characters between U+007F and U+FFFF for ends of lines, or not at all, where they are not escaped.
Source: go-yaml v2, scannerc.go, yaml_parser_scan_flow_scalar; readerc.go, yaml_parser_update_buffer.
"""

from __future__ import annotations

import json
import re
from typing import Any

_ESCAPED = re.compile("[\x7f-\uffff]")


def request_body(value: Any) -> str:
    """A value as JSON that is the same in YAML."""
    text = json.dumps(value, ensure_ascii=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
