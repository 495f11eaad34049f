"""Names of secrets in other tools' files: variables, options of a command, headers. Pure."""

from __future__ import annotations

import re

from shipit.config.secret_names import is_secret_name

_SECRET = re.compile(
    r"PASS(?!ENGER|IVE|THROUGH)|SECRET|TOKEN(?!IZE)|(API|PRIVATE|ACCESS|SIGNING|MASTER|ENCRYPTION)_?KEY|KEY_BASE|CREDENTIAL"
    r"|DSN|_SALT"
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Last words of names of what is about a secret, and is none: a path, an identifier, a setting.
_ABOUT_A_SECRET = re.compile(
    r".*(file|path|dir)s?|filename|directory|folder|ids?|name|username|hash|ttl|type|mode|method|backend|provider|strategy|alg"
    r"|algorithm|length|size|count|limit|timeout|expiry|expires|expiration|age|lifetime|prefix|header|format|url|uri|host|port"
    r"|enabled|required|stdin"
)


def is_named_secret(name: str) -> bool:
    """True for a name with a word of a secret in it: SECRET_KEY_BASE, --db-password, apiToken."""
    return is_secret_name(name) or bool(_SECRET.search(re.sub("[-.]", "_", name.upper())))


def names_secret_value(name: str) -> bool:
    """True for a name beside which a secret stands, such as --token; that of --token-file is a path.

    Numbers and versions at the end do not count, as in TOKEN_FILE_2.
    """
    words = ["", *(word.lower() for word in _WORDS.findall(re.sub(r"(?<=[-_.])[vV](?=[0-9])", "", name)))]
    return is_named_secret(name) and not _ABOUT_A_SECRET.fullmatch(words[-1])
