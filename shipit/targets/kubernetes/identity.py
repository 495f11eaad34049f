"""The login to an API server: the Authorization header, the trusted CA and the client certificate."""

from __future__ import annotations

import base64
import binascii
import shutil
import ssl
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipit.clock import Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError
from shipit.files import Unreadable, read_text
from shipit.http.tls import Tls
from shipit.targets.kubernetes.kubeconfig import KubeContext
from shipit.targets.kubernetes.login import Pem, Provider, is_token

if TYPE_CHECKING:
    # Imported where they are used: most users have a certificate or a token.
    from shipit.targets.kubernetes.exec_plugin import Printed

# Credentials that expire sooner than this are renewed before use; how long the content of a token file is cached.
_EARLY_S, _FILE_S = 30.0, 60.0


class Identity:
    """The login of a context, read when it is first needed and again when it has expired. Not safe to share between threads."""

    def __init__(self, context: KubeContext, environment: ProcessEnvironment) -> None:
        self.context = context
        self._environment = environment
        self._printed: Printed | None = None
        self._token, self._until_s = "", 0.0
        self._id_token = ""
        self._folder: Path | None = None

    def close(self) -> None:
        """Remove the temporary certificate files."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def renew(self, refused: str) -> bool:
        """Whether there may be other credentials than those that the server refused.

        `refused` is the Authorization header that was sent; another thread may have renewed it meanwhile.
        """
        login = self.context.login
        if login.token_file:
            if refused == self._bearer(self._token):
                self._until_s = 0.0
            return self._bearer(self._from_file(login.token_file)) != refused
        if not self._uses_plugin:
            return False
        if self._printed is not None and refused == self._bearer(self._printed.token):
            self._printed = None
        return True

    def header(self, deadline: Deadline) -> dict[str, str]:
        """The Authorization header; empty with a client certificate or without a login. Raises: RemoteError."""
        login = self.context.login
        token = self._from_file(login.token_file) if login.token_file else login.token
        if not token and login.username:
            both = f"{login.username}:{login.password}"
            return {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}
        if not token and self._uses_plugin:
            token = self._from_plugin(deadline).token
        if not token and login.provider and not login.exec:
            token = self._from_provider(login.provider, deadline)
        if token:
            return {"Authorization": self._bearer(self._environment.redactor.learn(self._checked(token)))}
        return {}

    @property
    def has_plugin_certificate(self) -> bool:
        """Whether connections are made with a certificate from a plugin."""
        return self._printed is None or bool(self._printed.certificate)

    @property
    def _uses_plugin(self) -> bool:
        """Whether the plugin is asked: not where the user has other credentials, as in client-go."""
        login = self.context.login
        has_other = login.token or login.token_file or login.username or login.certificate
        return bool(login.exec) and not has_other

    def _bearer(self, token: str) -> str:
        return f"Bearer {token}" if token else ""

    def tls(self, deadline: Deadline) -> Tls:
        """The CA and client certificate, as files that exist until `close`. Raises: RemoteError."""
        login = self.context.login
        certificate, key = self._text(login.certificate), self._environment.redactor.learn(self._text(login.key))
        if self._uses_plugin and (printed := self._from_plugin(deadline)).certificate:
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
        """Check that the files are certificates. Raises: RemoteError, which names the field of the kubeconfig."""
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
            self._token, self._until_s = self._file_token(file), now + _FILE_S
        return self._token

    def _file_token(self, file: Path) -> str:
        """The token of a file; the last one that was read, or that of the kubeconfig, while there is none in the file."""
        known = self._token or self.context.login.token
        try:
            return self._read(file, "tokenFile").strip() or known
        except RemoteError:
            if not known:
                raise
            return known

    def _from_plugin(self, deadline: Deadline) -> Printed:
        plugin = self.context.login.exec
        assert plugin is not None
        if self._printed is None or self._printed.expires_s - _EARLY_S < time.time():
            cluster = self._cluster_info() if plugin.wants_cluster else None
            from shipit.targets.kubernetes.exec_plugin import run_plugin

            self._printed = run_plugin(plugin, self.context.where, self._environment, deadline, cluster)
        return self._printed

    def _cluster_info(self) -> dict[str, Any]:
        """What a plugin is told of the cluster. Source: client.authentication.k8s.io/v1, Cluster."""
        context = self.context
        ca = base64.b64encode(self._text(context.ca).encode()).decode()
        found = {
            "server": context.server,
            "tls-server-name": context.server_name,
            "insecure-skip-tls-verify": not context.is_verified,
            "certificate-authority-data": ca,
            "proxy-url": context.proxy,
        }
        return {**{key: value for key, value in found.items() if value}, "config": context.plugin_config}

    def _from_provider(self, provider: Provider, deadline: Deadline) -> str:
        """The token of a legacy auth provider: OpenID Connect, whose token is renewed when it has expired."""
        if provider.name != "oidc":
            hint = _INSTEAD.get(provider.name, "use an exec plugin, such as kubelogin")
            what = f"{provider.path}: the auth provider {provider.name} was removed from Kubernetes"
            raise RemoteError(what, where=provider.where, hint=hint)
        from shipit.targets.kubernetes.oidc import current_token, is_current

        if not is_current(self._id_token):
            self._id_token = current_token(provider, self._environment, deadline)
        return self._id_token

    def _checked(self, token: str) -> str:
        if not is_token(token):
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
        """The text as a file in a folder that only this user may open, because ssl reads certificates from files only."""
        if not text:
            return None
        if self._folder is None:
            import tempfile

            self._folder = Path(tempfile.mkdtemp(prefix="shipit-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        file = self._folder / name
        file.write_text(text)
        return str(file)


_HINT = "check it with kubectl config view"
_INSTEAD = {
    "gcp": "install gke-gcloud-auth-plugin, then run gcloud container clusters get-credentials",
    "azure": "install kubelogin, then run kubelogin convert-kubeconfig",
}
