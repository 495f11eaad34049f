"""Files of a build context that look like secrets by their names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Names of files for which tools ask for a login or a private key.
_SECRET = re.compile(
    r"\.env(\..+)?|\.npmrc|\.netrc|\.pgpass|\.git-credentials|\.htpasswd|id_(rsa|dsa|ecdsa|ed25519)"
    r"|.+\.(pem|key|p12|pfx|jks|keystore)|master\.key|credentials\.json|service-account.*\.json|kubeconfig"
)
# Templates without values, certificates and public keys.
_HARMLESS = re.compile(
    r".+\.(example|sample|template|dist|defaults|test)|(ca|cacert|cert|fullchain|.*public.*)\.(pem|key)"
)


def likely_secrets(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths, in order, whose names are those of secrets."""
    names = ((path, path.rpartition("/")[2].lower()) for path in paths)
    return tuple(sorted(path for path, name in names if _SECRET.fullmatch(name) and not _HARMLESS.fullmatch(name)))
