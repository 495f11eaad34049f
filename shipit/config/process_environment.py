"""The process environment, read in one place and passed on as a value."""

import os
import re
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from shipit.errors import UsageError
from shipit.files import is_within
from shipit.redact import Redactor

# 128 bits in hexadecimal digits.
_LEAST_KEY = 32


class _Fields(NamedTuple):
    variables: Mapping[str, str]
    home: Path
    cwd: Path
    redactor: Redactor
    is_untrusted: bool
    own_files: tuple[Path, ...]


class ProcessEnvironment(_Fields):
    """Variables, home and working directory of the process, as values.

    `redactor` is the one redactor of the process: whoever reads a credential tells it at once. `is_untrusted` is whether
    deploy.yml may be written by somebody who must not run programs or read files here. `own_files` are those that shipit
    writes and reads for this command where the user says, as a saved plan: no change of the work tree, and not in a build context.
    """

    __slots__ = ()

    def __new__(
        cls,
        variables: Mapping[str, str],
        home: Path,
        cwd: Path,
        redactor: Redactor | None = None,
        *,
        is_untrusted: bool = False,
        own_files: tuple[Path, ...] = (),
    ) -> Self:
        return super().__new__(cls, variables, home, cwd, redactor or Redactor(), is_untrusted, own_files)

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
    def cache_max(self) -> int:
        """`$SHIPIT_CACHE_MAX`: how many bytes the cache may hold, 10 GiB unless it says otherwise. Raises: UsageError."""
        return self._size("SHIPIT_CACHE_MAX") or 10 * 1024**3

    @property
    def unpack_max(self) -> int | None:
        """`$SHIPIT_UNPACK_MAX`: how many bytes a layer of a base may unpack to. Raises: UsageError."""
        return self._size("SHIPIT_UNPACK_MAX")

    def _size(self, name: str) -> int | None:
        """The bytes of a variable such as `500MiB`; None where it is not set."""
        if (text := self.get(name)) is None:
            return None
        match = re.fullmatch(r"([0-9]{1,9})\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
        if match is None or not int(match[1]):
            raise UsageError(f"{name} should be a size such as 500MiB or 20GiB, found {text[:40]!r}")
        unit: int = 1024 ** ("KMGT".index(match[2].upper()) + 1) if match[2] else 1
        return int(match[1]) * unit

    @property
    def plan_key(self) -> str | None:
        """`$SHIPIT_PLAN_KEY`: the key that signs saved plans, for several machines; redacted. Raises: UsageError."""
        key = self.get("SHIPIT_PLAN_KEY")
        if key is None:
            return None
        self.redactor.add([key])
        if len(key) < _LEAST_KEY:
            hint = "make one with: openssl rand -hex 32"
            raise UsageError(f"SHIPIT_PLAN_KEY should have at least {_LEAST_KEY} characters", hint=hint)
        return key

    @property
    def approval(self) -> str | None:
        """`$SHIPIT_APPROVAL`: the token that approves a change; redacted. Raises: UsageError."""
        token = self.get("SHIPIT_APPROVAL")
        if token is None:
            return None
        self.redactor.add([token])
        if len(token) < _LEAST_KEY:
            hint = "make one with: openssl rand -hex 32"
            raise UsageError(f"SHIPIT_APPROVAL should have at least {_LEAST_KEY} characters", hint=hint)
        return token

    @property
    def ca_bundle(self) -> str | None:
        """The file of extra trusted certificates, by the names that requests, curl and OpenSSL use."""
        return self.get("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")

    @property
    def in_ci(self) -> bool:
        return self.get("CI") not in (None, "false", "0")

    def proxy(self, scheme: str) -> str | None:
        """The proxy for URLs of `scheme`; lower-case names win, as in curl."""
        proxy = self.get(f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
        if proxy and "@" in proxy:
            self.redactor.add(_passwords(proxy))
        return proxy

    @property
    def no_proxy(self) -> str:
        return self.get("no_proxy", "NO_PROXY") or ""


def forbid_plugins() -> None:
    """Disable pydantic's plugins: it would search all installed packages for them, and they would see deploy.yml.

    pydantic's loader of plugins still imports importlib.metadata, which is slow: a stand-in without plugins replaces it.
    Source: pydantic's documentation, "Plugins", the variable PYDANTIC_DISABLE_PLUGINS.
    """
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "1"
    sys.modules.setdefault("pydantic.plugin._loader", _NoPlugins("pydantic.plugin._loader"))


class _NoPlugins(ModuleType):
    """Replaces pydantic's loader of plugins. Any other name of it, as another release may need, is that of the loader itself."""

    @staticmethod
    def get_plugins() -> tuple[()]:
        return ()

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def read_process_environment(redactor: Redactor | None = None, *, is_untrusted: bool = False) -> ProcessEnvironment:
    """The environment of this process, read once by the command line. SHIPIT_UNTRUSTED makes it untrusted, too.

    Raises: UsageError where the working directory was removed.
    """
    said = os.environ.get("SHIPIT_UNTRUSTED", "").lower()
    is_untrusted = is_untrusted or said not in ("", "0", "false", "no", "off")
    try:
        variables, home, cwd = dict(os.environ), Path.home(), Path.cwd()
    except FileNotFoundError:
        raise UsageError("the working directory is not there any more", hint="change to another folder") from None
    if is_untrusted:
        variables["PATH"] = search_path_outside(variables.get("PATH", os.defpath), project_root(cwd, home))
    return ProcessEnvironment(variables, home, cwd, redactor, is_untrusted=is_untrusted)


def search_path_outside(path: str, folder: Path) -> str:
    """The folders of a PATH that are absolute and outside of a folder."""
    kept = [entry for entry in path.split(os.pathsep) if Path(entry).is_absolute() and not is_within(entry, folder)]
    return os.pathsep.join(kept) or os.defpath


def project_root(folder: Path, home: Path) -> Path:
    """The git tree that contains a folder, else the folder itself. A tree that contains the home is not a project."""
    root = next((above for above in (folder, *folder.parents) if (above / ".git").exists()), folder)
    return folder if home.resolve().is_relative_to(root) else root


def _passwords(url: str) -> tuple[str, ...]:
    """The password of a URL, as it is written and as it is meant."""
    try:
        password = urlsplit(url if "://" in url else f"http://{url}").password or ""
    except ValueError:
        return ()
    return (password, unquote(password))
