"""What one server is trusted by and who it is shown that asks, where that is not the same for every server."""

from __future__ import annotations

from typing import NamedTuple


class Tls(NamedTuple):
    """Files of PEM. Without `ca_file` the usual certificates are trusted; `cert_file` and `key_file` are ours.

    `server_name` is what the certificate must be for, where that is not the host of the URL. `is_verified` is False where
    any certificate is taken.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None
    is_verified: bool = True
