"""A plan in a file: signed, with a time after which it is not used. It holds no value of a secret.

The signature is an HMAC-SHA256 (RFC 2104) of the rest of the file, so that only who has the key can write one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from shipit.errors import UsageError
from shipit.files import MIB, read_file, write_file
from shipit.json_text import parse_json
from shipit.printable import Name, printable_line
from shipit.record import InvalidRecord, from_json, to_json
from shipit.release import Plan, PublishedImage

FORMAT, VERSION = "shipit plan", 1
# Raised with VERSION, so that a signature is for one format only.
_SIGNED = b"shipit plan 1\n"
MOST_BYTES = 32 * MIB
_NEW = "make a new one: shipit plan --save FILE, or shipit rollback --save FILE for a rollback"


class SavedTarget(NamedTuple):
    """One target of a saved plan, beside its steps in the plan.

    `settings` is a keyed hash of the part of deploy.yml about the target. `marks`: name of a variable or secret -> keyed hash
    of its value. `steps` has a keyed hash of each step of the plan. `running` is the version that runs before a rollback.
    """

    name: Name
    settings: Name
    images: tuple[PublishedImage, ...]
    marks: Mapping[str, Name]
    steps: tuple[Name, ...]
    running: Name = ""


class SavedPlan(NamedTuple):
    """A plan as it is kept. `made_at` and `expires_at` are RFC 3339 in UTC; `commit` is that of the work tree."""

    app: Name
    environment: Name
    commit: Name
    made_at: Name
    expires_at: Name
    plan: Plan
    targets: tuple[SavedTarget, ...]


def write_plan(file: Path, saved: SavedPlan, key: bytes) -> None:
    """Write a plan to a file that only its owner may read. Raises: UsageError."""
    body = {"format": FORMAT, "v": VERSION, **to_json(saved)}
    data = json.dumps({**body, "signature": _signature(body, key)}, indent=1).encode()
    if len(data) > MOST_BYTES:
        hint = "plan fewer targets at once"
        raise UsageError(f"the plan has {len(data):,} bytes; at most {MOST_BYTES:,} are saved", hint=hint)
    try:
        write_file(file, data, mode=0o600)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is no path"
        raise UsageError(f"can't be written: {reason}", where=str(file), hint="name another file for --save") from None


def read_plan(file: Path, key: bytes) -> SavedPlan:
    """The plan in a file that was signed with this key. The classes of the steps have to be imported.

    Raises: UsageError for a file that is not such a plan, Unreadable.
    """
    where = str(file)
    try:
        data = parse_json(read_file(file, max_bytes=MOST_BYTES))
    except ValueError as error:
        what = f"should be a saved plan, and is no JSON: {printable_line(str(error))[:100]}"
        raise UsageError(what, where=where, hint=_NEW) from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise UsageError("should be a saved plan", where=where, hint=_NEW)
    if data.get("v") != VERSION:
        what = f"has another version of the format: {str(data.get('v'))[:20]!r}, not {VERSION}"
        raise UsageError(what, where=where, hint=_NEW)
    body = {name: value for name, value in data.items() if name != "signature"}
    if not _is_signed(body, data.get("signature"), key):
        hint = "make it on this machine, or set SHIPIT_PLAN_KEY to the same key where it is made and where it is used"
        raise UsageError("the signature of the plan is not valid: it was changed, or made with another key", where=where, hint=hint)  # fmt: skip
    try:
        return from_json(SavedPlan, {name: value for name, value in body.items() if name not in ("format", "v")})
    except InvalidRecord as error:
        raise UsageError(f"is a plan of another version of shipit: {error}", where=where, hint=_NEW) from None


def _is_signed(body: Mapping[str, Any], signature: Any, key: bytes) -> bool:
    shown = signature.encode("utf-8", "surrogatepass") if isinstance(signature, str) else b""
    return hmac.compare_digest(shown, _signature(body, key).encode())


def _signature(body: Mapping[str, Any], key: bytes) -> str:
    """The HMAC of a JSON object, whatever the order of its keys and its white space."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, _SIGNED + text.encode(), hashlib.sha256).hexdigest()
