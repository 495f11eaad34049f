"""TLS settings for one server."""

from __future__ import annotations

from typing import NamedTuple


class Tls(NamedTuple):
    """PEM files: `ca_file` replaces the default certificates, `cert_file` and `key_file` are our client certificate.

    `server_name` is the name that the certificate must have, when it is not the host of the URL. `is_verified` is False
    when any certificate is accepted.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None
    is_verified: bool = True
