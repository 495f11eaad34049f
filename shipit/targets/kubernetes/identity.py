"""The login to an API server: the Authorization header, the trusted CA and the client certificate."""

from __future__ import annotations

import base64
import binascii
import shutil
import ssl
import tempfile
import time
import weakref
from collections.abc import Mapping
from pathlib import Path

from shipit.clock import Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError
from shipit.files import Unreadable, read_text
from shipit.http.tls import Tls
from shipit.json_text import parse_json
from shipit.targets.kubernetes.exec_plugin import Printed, run_plugin
from shipit.targets.kubernetes.kubeconfig import KubeContext, Pem

# Credentials that expire sooner than this are renewed before use; how long the content of a token file is cached.
_EARLY_S, _FILE_S = 30.0, 60.0


class Identity:
    """The login of a context, read when it is first needed and again when it has expired. Not safe to share between threads."""

    def __init__(self, context: KubeContext, environment: ProcessEnvironment) -> None:
        self.context = context
        self._environment = environment
        self._printed: Printed | None = None
        self._token, self._until_s = "", 0.0
        self._folder: Path | None = None

    def close(self) -> None:
        """Remove the temporary certificate files."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def forget(self) -> None:
        """Read the credentials again the next time, because the server refused them."""
        self._printed, self._until_s = None, 0.0

    def header(self, deadline: Deadline) -> dict[str, str]:
        """The Authorization header; empty with a client certificate or without a login. Raises: RemoteError."""
        login = self.context.login
        token = login.token or (self._from_file(login.token_file) if login.token_file else "")
        if not token and login.exec:
            token = self._from_plugin(deadline).token
        if not token and login.provider:
            token = self._from_provider(*login.provider)
        if token:
            return {"Authorization": f"Bearer {self._environment.redactor.learn(self._checked(token))}"}
        if login.username and login.password:
            both = f"{login.username}:{self._environment.redactor.learn(login.password)}"
            return {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}
        return {}

    def tls(self, deadline: Deadline) -> Tls:
        """The CA and client certificate, as files that exist until `close`. Raises: RemoteError."""
        login = self.context.login
        certificate, key = self._text(login.certificate), self._environment.redactor.learn(self._text(login.key))
        if login.exec and not certificate and (printed := self._from_plugin(deadline)).certificate:
            certificate, key = printed.certificate, printed.key
        if bool(certificate) != bool(key):
            what = "has a client-certificate without its client-key, or a key without its certificate"
            raise RemoteError(f"the user of the context {self.context.name} {what}", where=self.context.where)
        made = Tls(
            ca_file=self._kept("ca.pem", self._text(self.context.ca)),
            cert_file=self._kept("client.pem", certificate),
            key_file=self._kept("client-key.pem", key),
            server_name=self.context.server_name or None,
            is_verified=self.context.is_verified,
        )
        self._check(made)
        return made

    def _check(self, tls: Tls) -> None:
        """That the files are certificates. Raises: RemoteError, which names the field of the kubeconfig."""
        what = self.context.ca.path if self.context.ca else ""
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if tls.ca_file:
                context.load_verify_locations(tls.ca_file)
            what = f"the client-certificate with its client-key of the context {self.context.name}"
            if tls.cert_file:
                context.load_cert_chain(tls.cert_file, tls.key_file, lambda: "")
        except (ssl.SSLError, ValueError):
            raise RemoteError(f"{what} can't be used as certificates", where=self.context.where, hint=_HINT) from None

    def _from_file(self, file: Path) -> str:
        """The token of a file, which another program rewrites before it expires."""
        now = time.monotonic()
        if now >= self._until_s:
            self._token, self._until_s = self._read(file, "tokenFile").strip(), now + _FILE_S
        return self._token

    def _from_plugin(self, deadline: Deadline) -> Printed:
        assert self.context.login.exec is not None
        if self._printed is None or self._printed.expires_s - _EARLY_S < time.time():
            self._printed = run_plugin(self.context.login.exec, self.context.where, self._environment, deadline)
        return self._printed

    def _from_provider(self, name: str, settings: Mapping[str, str]) -> str:
        """The OpenID Connect token that kubectl keeps. Only kubectl renews it."""
        where, hint = self.context.where, "use an exec plugin, such as kubelogin"
        if name != "oidc":
            raise RemoteError(f"the auth provider {name} was removed from Kubernetes", where=where, hint=hint)
        token = settings.get("id-token", "")
        if _expiry_s(token) - _EARLY_S < time.time():
            raise RemoteError(
                "the OpenID Connect token has expired", where=where, hint="renew it: kubectl get namespaces"
            )
        return token

    def _checked(self, token: str) -> str:
        if any(ord(char) < 0x21 or ord(char) > 0x7E for char in token):
            what = f"the token of the context {self.context.name} should be of printable ASCII, without spaces"
            raise RemoteError(what, where=self.context.where, hint="log in again")
        return token

    def _text(self, pem: Pem | None) -> str:
        """A certificate or key; empty where there is none."""
        if pem is None:
            return ""
        text = self._read(pem.file, pem.path) if pem.file else self._decoded(pem)
        if "-----BEGIN " not in text:
            raise RemoteError(f"{pem.path} should be PEM", where=str(pem.file or self.context.where), hint=_HINT)
        return text

    def _decoded(self, pem: Pem) -> str:
        try:
            return base64.b64decode("".join(pem.data.split()), validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            raise RemoteError(f"{pem.path} should be base64 of PEM", where=self.context.where, hint=_HINT) from None

    def _read(self, file: Path, path: str) -> str:
        try:
            return read_text(file)
        except Unreadable as error:
            raise RemoteError(f"{path} {error.what}", where=str(file), hint=error.hint or _HINT) from None

    def _kept(self, name: str, text: str) -> str | None:
        """The text as a file with mode 0600, because ssl reads certificates from files only."""
        if not text:
            return None
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="shipit-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        file = self._folder / name
        file.write_text(text)
        return str(file)


_HINT = "check it with kubectl config view"


def _expiry_s(token: str) -> float:
    """When a JSON Web Token expires, in seconds since 1970; 0 for other text.

    Source: RFC 7519, section 4.1.4; it is the server that checks the token, so nothing of it is verified here.
    """
    parts = token.split(".")
    try:
        claims = parse_json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError, OverflowError):
        return 0.0
