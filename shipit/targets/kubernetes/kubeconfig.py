"""A kubeconfig as values: its files merged as kubectl does, every field checked where it is read.

Source: Kubernetes documentation, "Organizing Cluster Access Using kubeconfig Files"; client-go's `Config` (v1).
"""

import http.client
import re
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import yaml

from shipit.config.folder import project_folder
from shipit.config.process_environment import ProcessEnvironment
from shipit.config.yaml_text import decode, load_documents
from shipit.errors import ConfigErrors, RemoteError
from shipit.files import MIB, Missing, Unreadable, is_within, read_file
from shipit.http.direct import parse_url
from shipit.http.fields import Field
from shipit.redact import Redactor
from shipit.targets.kubernetes.login import Login, Pem, beside, read_login, read_pem

MAX_BYTES = 16 * MIB
_HINT = "check it with kubectl config view"
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_PROVIDER_FILE = "idp-certificate-authority"
_PLUGIN_EXTENSION = "client.authentication.k8s.io/exec"
_SERVER_NAME = re.compile(r"[A-Za-z0-9_]([-A-Za-z0-9._:]{0,251}[A-Za-z0-9])?", re.ASCII)
_NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f]")
_PROXIES = ("http://", "https://", "socks5://", "socks5h://")


class KubeContext(NamedTuple):
    """A context with its cluster and user. `where` is the file of the cluster.

    `plugin_config` is what the cluster has for exec plugins, as any JSON.
    """

    name: str
    namespace: str
    server: str
    where: str
    ca: Pem | None = None
    is_verified: bool = True
    server_name: str = ""
    proxy: str = ""
    login: Login = Login()
    plugin_config: Any = None


def kubeconfig_paths(environment: ProcessEnvironment) -> str:
    """KUBECONFIG, or ~/.kube/config."""
    return environment.get("KUBECONFIG") or str(environment.home / ".kube" / "config")


def read_context(environment: ProcessEnvironment, wanted: str | None) -> KubeContext:
    """The context of a name, or the current one. Its credentials are redacted from now on.

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
    login = read_login(user, environment.redactor) if user else Login()
    return _context(name, check_namespace(context["namespace"]), cluster, login, environment.redactor)


def check_namespace(part: Field) -> str:
    """The name of a namespace, which becomes part of paths; empty where there is none."""
    text = part.text()
    if text and not _NAMESPACE.fullmatch(text):
        raise part.wrong("should be the name of a namespace: at most 63 lower-case letters, digits and '-'")
    return text


class _Files:
    """The files of a kubeconfig, merged: the first entry of a name and the first current context count.

    Files that are missing are skipped. `~` is not the home folder here: a shell has replaced it before.
    """

    def __init__(self, environment: ProcessEnvironment) -> None:
        self.paths = kubeconfig_paths(environment)
        self.current = ""
        self.rows: dict[str, dict[str, Field]] = {"clusters": {}, "contexts": {}, "users": {}}
        for path in dict.fromkeys(filter(None, self.paths.split(":"))):
            if (top := _top(path)) is not None:
                self._merge(top)

    def _merge(self, top: Field) -> None:
        self.current = self.current or top["current-context"].text()
        for kind, rows in self.rows.items():
            own: dict[str, Field] = {}
            for row in top[kind].rows():
                if (name := row["name"].required()) in own:
                    raise row["name"].wrong(f"is the name of another one of {kind}, too: give them different names")
                own[name] = row[kind.removesuffix("s")]
            rows.update({**own, **rows})

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


def _context(name: str, namespace: str, cluster: Field, login: Login, redactor: Redactor) -> KubeContext:
    server = cluster["server"].required().rstrip("/")
    try:
        parse_url(server)
    except http.client.InvalidURL:
        raise cluster["server"].wrong("should be a URL of http or https") from None
    if "@" in urlsplit(server).netloc or "?" in server or "#" in server:
        # Paths are put behind it, and it is shown to people.
        raise cluster["server"].wrong("should be a URL without user, query and fragment")
    ca, insecure = read_pem(cluster, "certificate-authority"), cluster["insecure-skip-tls-verify"]
    if ca and insecure.flag():
        raise insecure.wrong("can't be combined with a certificate-authority: keep one of the two")
    server_name = cluster["tls-server-name"]
    if server_name.text() and not _SERVER_NAME.fullmatch(server_name.text()):
        raise server_name.wrong("should be the name in the server's certificate, such as api.example.com")
    return KubeContext(
        name=name,
        namespace=namespace,
        server=server,
        where=cluster.where,
        ca=ca,
        is_verified=not insecure.flag(),
        server_name=server_name.text(),
        proxy=_proxy(cluster["proxy-url"], redactor),
        login=login,
        plugin_config=_plugin_config(cluster),
    )


def _proxy(part: Field, redactor: Redactor) -> str:
    """The URL of a proxy, whose password is redacted from now on."""
    text = part.text()
    try:
        url = urlsplit(text)
        redactor.add(each for each in (url.password or "", unquote(url.password or "")) if each)
        is_url = bool(url.hostname) and url.port != 0 and not _NOT_IN_URLS.search(text)
    except ValueError:
        is_url = False
    if text and not text.startswith(_PROXIES):
        raise part.wrong(f"should begin with {', '.join(_PROXIES)}")
    if text and not is_url:
        raise part.wrong("should be a URL such as http://proxy.example.com:3128")
    return text


def _plugin_config(cluster: Field) -> Any:
    """What a cluster has for exec plugins. Source: client.authentication.k8s.io/v1, Cluster `config`."""
    rows = [row for row in cluster["extensions"].rows() if row["name"].text() == _PLUGIN_EXTENSION]
    return rows[0].map().get("extension") if rows else None


def _check_files(environment: ProcessEnvironment, *parts: Field | None) -> None:
    """That a kubeconfig of an untrusted project has no file from outside sent to a server that it names as well."""
    within = project_folder(environment.cwd, environment).within
    if within is None:
        return
    for part in parts:
        if part is None or not is_within(environment.cwd / part.where, within):
            continue
        provider = part["auth-provider"]["config"] if part["auth-provider"].map() else part
        for named in (*(part[key] for key in _FILES), provider[_PROVIDER_FILE]):
            file = named.text()
            if file and not is_within(environment.cwd / beside(part, file), within):
                raise named.wrong("lies outside of the project, which --untrusted does not allow")
