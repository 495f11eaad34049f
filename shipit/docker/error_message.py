"""The message in an engine's answer with an error status. Pure.

Source: Docker Engine API, "Errors": `{"message": "..."}`.
"""

from __future__ import annotations

from shipit.json_text import parse_json


def error_message(data: bytes, status: int) -> str:
    """The engine's message; `status 500` where the answer has none."""
    try:
        found = parse_json(data)
    except ValueError:
        found = None
    text = found.get("message") if isinstance(found, dict) else None
    return text.strip() if isinstance(text, str) and text.strip() else f"status {status}"
