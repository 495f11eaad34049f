"""How a user of a kubeconfig proves who it is, and whom it acts as: values, checked where they are read.

Source: client-go's `AuthInfo` (v1) and its checks; Kubernetes documentation, "User impersonation".
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from shipit.config.secret_names import is_secret_name
from shipit.http.fields import Field
from shipit.redact import Redactor

# Keys of an auth provider's settings that are credentials.
_SECRET_SETTINGS = ("id-token", "refresh-token", "client-secret", "access-token")
_MODES = ("Never", "IfAvailable", "Always")
_V1 = "client.authentication.k8s.io/v1"
# Characters of a header's name that Kubernetes does not escape, beside letters and digits: RFC 9110, tchar, without %.
_TCHAR = "!#$&'*+-.^_`|~"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[!-~]*")


class Pem(NamedTuple):
    """A certificate or key: in the kubeconfig itself, as base64, or in a file. `path` is where it is written."""

    data: str
    file: Path | None
    path: str


class ExecPlugin(NamedTuple):
    """A program that prints credentials. `folder` is what a relative `command` is relative to.

    `wants_cluster` is whether it is told which cluster the credentials are for.
    """

    command: str
    args: tuple[str, ...]
    env: Mapping[str, str]
    api_version: str
    folder: Path
    path: str
    hint: str
    mode: str = "IfAvailable"
    wants_cluster: bool = False


class Provider(NamedTuple):
    """A legacy auth provider. `where` is its file, `path` its place in there."""

    name: str
    settings: Mapping[str, str]
    where: str
    path: str


class Impersonation(NamedTuple):
    """Whom requests act as; nobody else where `user` is empty."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = {}

    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers, whose names repeat; values are UTF-8, as Go's clients send them."""
        if not self.user:
            return ()
        found = [("Impersonate-User", self.user), *(("Impersonate-Group", group) for group in self.groups)]
        found += [("Impersonate-Uid", self.uid)] if self.uid else []
        for key, values in self.extra.items():
            found += [(f"Impersonate-Extra-{quote(key, safe=_TCHAR)}", value) for value in values]
        return tuple((name, value.encode().decode("latin-1")) for name, value in found)


class Login(NamedTuple):
    """How a user proves itself: the first of these that is there."""

    token_file: Path | None = None
    token: str = ""
    username: str = ""
    password: str = ""
    exec: ExecPlugin | None = None
    provider: Provider | None = None
    certificate: Pem | None = None
    key: Pem | None = None
    impersonation: Impersonation = Impersonation()


def read_login(user: Field, redactor: Redactor) -> Login:
    """The login of a user, whose credentials are redacted from now on. Raises: RemoteError, as kubectl refuses it."""
    token_file = user["tokenFile"].text()
    provider = _provider(user["auth-provider"], redactor) if user["auth-provider"].map() else None
    login = Login(
        token_file=beside(user, token_file) if token_file else None,
        token=redactor.learn(user["token"].text()),
        username=user["username"].text(),
        password=redactor.learn(user["password"].text()),
        exec=_exec(user["exec"], redactor) if user["exec"].map() else None,
        provider=provider,
        certificate=read_pem(user, "client-certificate"),
        key=read_pem(user, "client-key"),
        impersonation=_impersonation(user),
    )
    if login.token and (login.username or login.password):
        raise user["token"].wrong("can't be combined with username and password: keep one of the two")
    if login.exec and login.provider:
        raise user["auth-provider"].wrong("can't be combined with exec: keep one of the two")
    return login


def read_pem(part: Field, key: str) -> Pem | None:
    data, file = part[f"{key}-data"], part[key].text()
    text = data.text()
    if text and file:
        raise part[key].wrong(f"can't be combined with {key}-data: keep one of the two")
    if text:
        return Pem(text, None, data.path)
    return Pem("", beside(part, file), part[key].path) if file else None


def is_token(text: str) -> bool:
    """True for printable ASCII without spaces, as an Authorization header takes it."""
    return _TOKEN.fullmatch(text) is not None


def beside(part: Field, file: str) -> Path:
    """A file that is named relative to the kubeconfig that names it."""
    return Path(part.where).parent / file


def _provider(part: Field, redactor: Redactor) -> Provider:
    settings = part["config"].texts()
    redactor.add(settings[key] for key in _SECRET_SETTINGS if key in settings)
    return Provider(part["name"].required(), settings, part.where, part.path)


def _exec(part: Field, redactor: Redactor) -> ExecPlugin:
    command = part["command"].required()
    env = {row["name"].required(): row["value"].text() for row in part["env"].rows()}
    redactor.add(value for name, value in env.items() if is_secret_name(name))
    version = part["apiVersion"].required()
    mode = part["interactiveMode"].text() or ("" if version == _V1 else "IfAvailable")
    if mode not in _MODES:
        raise part["interactiveMode"].wrong(f"should be {', '.join(_MODES[:-1])} or {_MODES[-1]}")
    return ExecPlugin(
        command=command,
        args=tuple(row.text() for row in part["args"].rows()),
        env=env,
        api_version=version,
        folder=Path(part.where).parent,
        path=part.path,
        hint=part["installHint"].text(),
        mode=mode,
        wants_cluster=part["provideClusterInfo"].flag(),
    )


def _impersonation(user: Field) -> Impersonation:
    extra = {key: _values(part.rows()) for key, part in user["as-user-extra"].items()}
    found = Impersonation(_value(user["as"]), _value(user["as-uid"]), _values(user["as-groups"].rows()), extra)
    if not found.user and (found.uid or found.groups or found.extra):
        raise user["as"].wrong("should be there, because as-uid, as-groups or as-user-extra is")
    return found


def _values(rows: Iterable[Field]) -> tuple[str, ...]:
    return tuple(_value(row) for row in rows)


def _value(part: Field) -> str:
    """Text that can be the value of a header."""
    text = part.text()
    if _CONTROL.search(text) or text != text.strip():
        raise part.wrong("should have no control characters, and no spaces at its ends")
    return text
