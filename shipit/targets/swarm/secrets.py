"""Secrets of the swarm: named by their content, and found again by a salted hash, because their values can't be read."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping

from shipit.targets.engine.owner import Owner
from shipit.targets.swarm.client import Stored, SwarmClient
from shipit.targets.swarm.spec import HASH, SALT, SECRET, secret_name

_ROUNDS = 2**12


def content_hash(value: str, salt: str) -> str:
    """Slow to compute, so that the label of a secret gives little help to guess its value."""
    return hashlib.scrypt(value.encode(), salt=salt.encode(), n=_ROUNDS, r=8, p=1, dklen=32).hex()


def matching_mark(labels: Mapping[str, str], values: Mapping[str, str], mark: Callable[[str], str]) -> str:
    """The keyed hash of the value of a secret by its labels; empty where its variable has another value now."""
    value = values.get(labels.get(SECRET, ""))
    is_same = value is not None and content_hash(value, labels.get(SALT, "")) == labels.get(HASH, "")
    return mark(value) if is_same and value is not None else ""


def ensure_secret(client: SwarmClient, owner: Owner, variable: str, value: str) -> str:
    """The name of the secret that has a value; it is created where there is none."""
    for one in client.secrets(owner.filters):
        if _is_of(one, owner, variable) and content_hash(value, one.labels.get(SALT, "")) == one.labels[HASH]:
            return one.name
    salt = secrets.token_hex(16)
    content = content_hash(value, salt)
    name = secret_name(owner, variable, content)
    labels = {**owner.labels, SECRET: variable, SALT: salt, HASH: content}
    client.create_secret(name, labels, value.encode())
    return name


def _is_of(found: Stored, owner: Owner, variable: str) -> bool:
    """True for a secret that has the name that belongs to its labels: those of another one may be copied."""
    name = secret_name(owner, variable, found.labels.get(HASH, ""))
    return found.labels.get(SECRET) == variable and HASH in found.labels and found.name == name
