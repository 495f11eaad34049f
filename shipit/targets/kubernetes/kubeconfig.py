"""A kubeconfig as values: its files merged as kubectl does, every field checked where it is read.

Source: Kubernetes documentation, "Organizing Cluster Access Using kubeconfig Files"; client-go's `Config` (v1).
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from shipit.config.folder import project_folder
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.yaml_text import decode, load_documents
from shipit.errors import ConfigErrors, RemoteError
from shipit.files import MIB, Missing, Unreadable, is_within, read_file
from shipit.http.direct import parse_url
from shipit.http.fields import Field

MAX_BYTES = 16 * MIB
_HINT = "check it with kubectl config view"
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_PROXIES = ("http://", "https://", "socks5://", "socks5h://")


class Pem(NamedTuple):
    """A certificate or key: in the kubeconfig itself, as base64, or in a file. `path` is where it is written."""

    data: str
    file: Path | None
    path: str


class ExecPlugin(NamedTuple):
    """A program that prints credentials. `folder` is what a relative `command` is relative to."""

    command: str
    args: tuple[str, ...]
    env: Mapping[str, str]
    api_version: str
    folder: Path
    path: str
    hint: str


class Login(NamedTuple):
    """How a user proves itself: the first of these that is there. `provider` is an auth provider's name and its settings."""

    token: str = ""
    token_file: Path | None = None
    exec: ExecPlugin | None = None
    username: str = ""
    password: str = ""
    provider: tuple[str, Mapping[str, str]] | None = None
    certificate: Pem | None = None
    key: Pem | None = None


class KubeContext(NamedTuple):
    """A context with its cluster and user. `where` is the file of the cluster."""

    name: str
    namespace: str
    server: str
    where: str
    ca: Pem | None = None
    is_verified: bool = True
    server_name: str = ""
    proxy: str = ""
    login: Login = Login()


def kubeconfig_paths(environment: ProcessEnvironment) -> str:
    """KUBECONFIG, or ~/.kube/config."""
    return environment.get("KUBECONFIG") or str(environment.home / ".kube" / "config")


def read_context(environment: ProcessEnvironment, wanted: str | None) -> KubeContext:
    """The context of a name, or the current one.

    Raises: RemoteError, naming the file and the field that is wrong.
    """
    files = _Files(environment)
    name = wanted or files.current
    if name not in files.rows["contexts"]:
        known = ", ".join(files.rows["contexts"]) or "none"
        what = f"there is no context {name!r}" if name else "there is no current context"
        raise RemoteError(what, where=files.paths, hint=f"contexts here: {known}; set context:, or KUBECONFIG")
    context = files.rows["contexts"][name]
    cluster_name, user_name = context["cluster"].required(), context["user"].text()
    cluster = files.named("clusters", cluster_name, context["cluster"])
    user = files.named("users", user_name, context["user"]) if user_name else None
    _check_files(environment, cluster, user)
    return _context(name, check_namespace(context["namespace"]), cluster, _login(user) if user else Login())


def check_namespace(part: Field) -> str:
    """The name of a namespace, which becomes part of paths; empty where there is none."""
    text = part.text()
    if text and not _NAMESPACE.fullmatch(text):
        raise part.wrong("should be the name of a namespace: at most 63 lower-case letters, digits and '-'")
    return text


class _Files:
    """The files of a kubeconfig, merged: of two entries of a name, and of two current contexts, the first counts."""

    def __init__(self, environment: ProcessEnvironment) -> None:
        self.paths = kubeconfig_paths(environment)
        self.current = ""
        self.rows: dict[str, dict[str, Field]] = {"clusters": {}, "contexts": {}, "users": {}}
        for path in filter(None, self.paths.split(":")):
            home = str(environment.home)
            if (top := _top(home + path[1:] if path.startswith("~/") else path)) is not None:
                self._merge(top)

    def _merge(self, top: Field) -> None:
        self.current = self.current or top["current-context"].text()
        for kind, rows in self.rows.items():
            for row in top[kind].rows():
                rows.setdefault(row["name"].required(), row[kind.removesuffix("s")])

    def named(self, kind: str, name: str, asked: Field) -> Field:
        """The entry that a context names."""
        if name not in self.rows[kind]:
            raise asked.wrong(f"names one of {kind} that is not there: {name!r}")
        return self.rows[kind][name]


def _top(path: str) -> Field | None:
    """What a file holds; None where it is not there, or empty."""
    try:
        text = decode(read_file(path, max_bytes=MAX_BYTES), path, MAX_BYTES)
        documents = load_documents(text)
    except Missing:
        return None
    except Unreadable as error:
        raise RemoteError(f"the kubeconfig {error.what}", where=path, hint="check KUBECONFIG") from None
    except ConfigErrors as error:
        raise RemoteError(f"the kubeconfig is no text: {error.problems[0].what}", where=path, hint=_HINT) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" at line {mark.line + 1}" if mark else ""
        raise RemoteError(f"the kubeconfig should be YAML; it is not{line}", where=path, hint=_HINT) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise RemoteError("the kubeconfig should be YAML", where=path, hint=_HINT) from None
    value: Any = documents[0] if documents else None
    top = Field(value, path, "", _HINT)
    if value is not None and not isinstance(value, dict):
        raise RemoteError("the kubeconfig should be a map of keys", where=path, hint=_HINT)
    return None if value is None else top


def _context(name: str, namespace: str, cluster: Field, login: Login) -> KubeContext:
    server = cluster["server"].required().rstrip("/")
    try:
        parse_url(server)
    except http.client.InvalidURL:
        raise cluster["server"].wrong("should be a URL of http or https") from None
    proxy = cluster["proxy-url"].text()
    if proxy and not proxy.startswith(_PROXIES):
        raise cluster["proxy-url"].wrong(f"should begin with {', '.join(_PROXIES)}")
    return KubeContext(
        name=name,
        namespace=namespace,
        server=server,
        where=cluster.where,
        ca=_pem(cluster, "certificate-authority"),
        is_verified=not cluster["insecure-skip-tls-verify"].flag(),
        server_name=cluster["tls-server-name"].text(),
        proxy=proxy,
        login=login,
    )


def _login(user: Field) -> Login:
    token_file = user["tokenFile"].text()
    provider = user["auth-provider"]
    settings = (provider["name"].required(), provider["config"].texts()) if provider.map() else None
    return Login(
        token=user["token"].text(),
        token_file=_beside(user, token_file) if token_file else None,
        exec=_exec(user["exec"]) if user["exec"].map() else None,
        username=user["username"].text(),
        password=user["password"].text(),
        provider=settings,
        certificate=_pem(user, "client-certificate"),
        key=_pem(user, "client-key"),
    )


def _exec(part: Field) -> ExecPlugin:
    return ExecPlugin(
        command=part["command"].required(),
        args=tuple(row.text() for row in part["args"].rows()),
        env={row["name"].required(): row["value"].text() for row in part["env"].rows()},
        api_version=part["apiVersion"].required(),
        folder=Path(part.where).parent,
        path=part.path,
        hint=part["installHint"].text(),
    )


def _pem(part: Field, key: str) -> Pem | None:
    data, file = part[f"{key}-data"], part[key].text()
    if text := data.text():
        return Pem(text, None, data.path)
    return Pem("", _beside(part, file), part[key].path) if file else None


def _check_files(environment: ProcessEnvironment, *parts: Field | None) -> None:
    """That a kubeconfig of an untrusted project has no file from outside sent to a server that it names as well."""
    within = project_folder(environment.cwd, environment).within
    if within is None:
        return
    for part in parts:
        if part is None or not is_within(environment.cwd / part.where, within):
            continue
        for key in _FILES:
            file = part[key].text()
            if file and not is_within(environment.cwd / _beside(part, file), within):
                raise part[key].wrong("lies outside of the project, which --untrusted does not allow")


def _beside(part: Field, file: str) -> Path:
    """A file that is named relative to the kubeconfig that names it."""
    return Path(part.where).parent / file
