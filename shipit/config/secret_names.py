"""Detection of names of secrets, misspelled ones included. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_WHOLE = frozenset(
    [
        "auth",
        "authorization",
        "cookie",
        "cred",
        "creds",
        "dsn",
        "jwt",
        "otp",
        "pass",
        "passphrase",
        "pat",
        "pem",
        "pin",
        "psk",
        "pw",
        "pwd",
    ]
)
_ENDINGS = ("credential", "key", "passwd", "password", "secret", "token")
_MISSPELT = ("credentials", "password", "passwords", "secret", "secrets", "token", "tokens")
_ALIKE = 0.75


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a key or variable is named like a secret: SECRET_KEY, apiToken, passwrod."""
    return any(_is_secret_word(word.lower()) for word in _WORDS.findall(name[:200]))


def _is_secret_word(word: str) -> bool:
    singular = word.removesuffix("s")
    if word in _WHOLE or singular in _WHOLE or singular.endswith(_ENDINGS):
        return True
    near = [known for known in _MISSPELT if abs(len(word) - len(known)) < 3] if len(word) > 3 else []
    if not near:
        return False
    from difflib import SequenceMatcher

    return any(SequenceMatcher(None, word, known).ratio() >= _ALIKE for known in near)
