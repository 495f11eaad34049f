"""The one reading of the process environment; everyone else is handed this value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Environment(NamedTuple):
    """Variables, home and working directory of the process, as values."""

    variables: Mapping[str, str]
    home: Path
    cwd: Path

    def get(self, *names: str) -> str | None:
        """The first of `names` that is set and not empty."""
        return next((self.variables[name] for name in names if self.variables.get(name)), None)

    @property
    def cache_dir(self) -> Path:
        """`$SHIPIT_CACHE_DIR`, `$XDG_CACHE_HOME/shipit`, or `~/.cache/shipit`."""
        if own := self.get("SHIPIT_CACHE_DIR"):
            return Path(own)
        base = self.get("XDG_CACHE_HOME")
        return (Path(base) if base else self.home / ".cache") / "shipit"

    @property
    def ca_bundle(self) -> str | None:
        """The file of extra trusted certificates, by the names that requests, curl and OpenSSL use."""
        return self.get("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")

    @property
    def in_ci(self) -> bool:
        return self.get("CI") not in (None, "false", "0")

    def proxy(self, scheme: str) -> str | None:
        """The proxy for URLs of `scheme`; lower-case names win, as in curl."""
        return self.get(f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")

    @property
    def no_proxy(self) -> str:
        return self.get("no_proxy", "NO_PROXY") or ""


def forbid_plugins() -> None:
    """Let pydantic load no plugins: they would be looked for in all that is installed, and see what deploy.yml says.

    Source: pydantic's documentation, "Plugins", the variable PYDANTIC_DISABLE_PLUGINS.
    """
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "1"


def read_environment() -> Environment:
    """The environment of this process, read once by the command line."""
    return Environment(dict(os.environ), Path.home(), Path.cwd())
