"""Slow hashes of the values of Secrets, for annotations and names: the same for the same values on every machine. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from shipit.targets.kubernetes.desired import Desired

# scrypt takes about 20 ms and 8 MiB: every reader of a Deployment sees the hash.
_COST, _BLOCK = 2**13, 8


def secret_mark(desired: Desired, values: Mapping[str, str]) -> str:
    """That of the values of the env's Secret."""
    text = json.dumps([[name, values[name]] for name in desired.secret_names])
    return _slow_hash(text, f"shipit.dev/secrets {desired.namespace} {desired.set_name}")


def content_mark(desired: Desired, key: str, values: Mapping[str, bytes]) -> str:
    """That of the values of a Secret of the manifests."""
    text = json.dumps([[name, values[name].hex()] for name in sorted(values)])
    return _slow_hash(text, f"shipit.dev/content {desired.namespace} {desired.project.app} {key}")


def _slow_hash(text: str, salt: str) -> str:
    return hashlib.scrypt(text.encode(), salt=salt.encode(), n=_COST, r=_BLOCK, p=1, dklen=8).hex()
