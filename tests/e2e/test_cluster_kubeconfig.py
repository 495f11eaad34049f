"""Kubeconfigs beside kubectl, on the real API server: both are the same user there, or both fail."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError
from shipit.targets.kubernetes.kubeconfig import read_context
from shipit.targets.kubernetes.server import ApiServer, parsed
from tests import runs
from tests.sampled import sampled
from tests.servers.cluster import Cluster
from tests.servers.install import find
from tests.servers.proxy import TlsProxy
from tests.servers.registry import RegistryServer
from tests.servers.socks import SocksProxy
from tests.shipit import Shipit

pytestmark = [pytest.mark.registry, pytest.mark.cluster]

NAMESPACE = "kubeconfig"
V1, BETA = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


class Here:
    """What the kubeconfigs of the table are made of."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder, self.cluster = folder, cluster
        for name in ("ca.crt", "admin.crt", "admin.key"):
            (folder / name).write_bytes((cluster.pki / name).read_bytes())
        self.token = cluster.kubectl("-n", NAMESPACE, "create", "token", "default").strip()
        (folder / "token").write_text(f"{self.token}\n")
        (folder / "wrong").write_text("wrong-token")
        self.https_proxy = TlsProxy(folder / "proxy", {}, {"127.0.0.1": f"127.0.0.1:{cluster.port}"})
        self.socks = SocksProxy(f"127.0.0.1:{cluster.port}")

    def stop(self) -> None:
        self.https_proxy.stop()
        self.socks.stop()

    def data(self, name: str) -> str:
        return base64.b64encode((self.folder / name).read_bytes()).decode()

    def config(self, user: Mapping[str, Any], **cluster: Any) -> dict[str, Any]:
        given = {"server": self.cluster.server, "certificate-authority": "ca.crt", **cluster}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "c", "cluster": {key: value for key, value in given.items() if value != ""}}],
            "users": [{"name": "u", "user": dict(user)}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE}}],
        }

    def plugin(self, script: str, version: str = V1, **more: Any) -> dict[str, Any]:
        (self.folder / "plugin").write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / "plugin").chmod(0o755)
        mode = {"interactiveMode": "Never"} if version == V1 else {}
        return {"exec": {"command": "./plugin", "apiVersion": version, **mode, **more}}

    def prints(self, version: str = V1, **status: Any) -> str:
        answer = {"apiVersion": version, "kind": "ExecCredential", "status": status or {"token": self.token}}
        (self.folder / "printed").write_text(json.dumps(answer))
        return f"cat {self.folder}/printed"


ADMIN = {"client-certificate": "admin.crt", "client-key": "admin.key"}
Make = Callable[[Here], "dict[str, Any] | list[dict[str, Any] | str]"]


def _split(here: Here) -> list[dict[str, Any] | str]:
    """A context, its cluster and its user in three files, each with entries that another file has before it."""
    whole = here.config({"token": here.token})
    other = here.config({"token": "wrong-token"}, server="https://127.0.0.1:1")
    first = {**whole, "users": [], "clusters": []}
    second = {**other, "users": [], "clusters": whole["clusters"], "current-context": "nothing"}
    return [first, "", second, {**other, "users": whole["users"]}, other]


def _with_context(here: Here, **context: Any) -> dict[str, Any]:
    whole = here.config(ADMIN)
    whole["contexts"][0]["context"].update(context)
    return whole


# Who the user is, or None where kubectl fails.
ADMINS, DEFAULT = "admin", f"system:serviceaccount:{NAMESPACE}:default"
CASES: dict[str, tuple[str | None, Make]] = {
    "certificates in files": (ADMINS, lambda here: here.config(ADMIN)),
    "certificates within": (ADMINS, lambda here: here.config(
        {"client-certificate-data": here.data("admin.crt"), "client-key-data": here.data("admin.key")},
        **{"certificate-authority": "", "certificate-authority-data": here.data("ca.crt")})),
    "token": (DEFAULT, lambda here: here.config({"token": here.token})),
    "token file": (DEFAULT, lambda here: here.config({"tokenFile": "token"})),
    "a token file has precedence": (DEFAULT, lambda here: here.config({"token": "wrong", "tokenFile": "token"})),
    "a token while the file is missing": (DEFAULT, lambda here: here.config({"token": here.token, "tokenFile": "missing"})),
    "a slash at the end": (ADMINS, lambda here: here.config(ADMIN, server=f"{here.cluster.server}/")),
    "compression disabled": (ADMINS, lambda here: here.config(ADMIN, **{"disable-compression": True})),
    "keys that nobody knows": (ADMINS, lambda here: {**here.config({**ADMIN, "other": [1]}), "preferences": {}, "x": 1}),
    "as": ("jane", lambda here: here.config({**ADMIN, "as": "jane"})),
    "as groups": ("jane", lambda here: here.config({**ADMIN, "as": "jane", "as-groups": ["one, two", "system:masters"]})),
    "as everything": ("j\xf6rg", lambda here: here.config({
        **ADMIN, "as": "j\xf6rg", "as-uid": "17", "as-groups": ["one"], "as-user-extra": {"example.com/why": ["a", "b"], "50%": ["c"]}})),
    "a token as another": (None, lambda here: here.config({"token": here.token, "as": "jane"})),
    "plugin": (DEFAULT, lambda here: here.config(here.plugin(here.prints()))),
    "plugin of v1beta1": (DEFAULT, lambda here: here.config(here.plugin(here.prints(BETA), BETA))),
    "plugin with a certificate": (ADMINS, lambda here: here.config(here.plugin(here.prints(
        clientCertificateData=(here.folder / "admin.crt").read_text(), clientKeyData=(here.folder / "admin.key").read_text())))),
    "plugin with arguments and variables": (DEFAULT, lambda here: here.config(here.plugin(
        f'test "$1 $WHO" = "get me" && {here.prints()}', args=["get"], env=[{"name": "WHO", "value": "me"}]))),
    "plugin that is told of the cluster": (DEFAULT, lambda here: here.config(here.plugin(
        f'echo "$KUBERNETES_EXEC_INFO" | grep -q \'"server":.*{here.cluster.port}\' && {here.prints()}', provideClusterInfo=True))),
    "plugin that says when it expires": (DEFAULT, lambda here: here.config(here.plugin(here.prints(
        token=here.token, expirationTimestamp="2099-01-31T12:00:00Z")))),
    "plugin of a user with a token": (DEFAULT, lambda here: here.config({**here.plugin("exit 1"), "token": here.token})),
    "plugin as another": (None, lambda here: here.config({**here.plugin(here.prints()), "as": "jane"})),
    "OpenID Connect": (DEFAULT, lambda here: here.config({"auth-provider": {"name": "oidc", "config": {
        "id-token": here.token, "client-id": "c", "idp-issuer-url": "https://127.0.0.1:1"}}})),
    "a proxy of HTTP": (ADMINS, lambda here: here.config(ADMIN, **{"proxy-url": here.https_proxy.url})),
    "a proxy of SOCKS": (ADMINS, lambda here: here.config(ADMIN, **{"proxy-url": f"socks5://{here.socks.host}"})),
    "groups through a proxy": ("jane", lambda here: here.config(
        {**ADMIN, "as": "jane", "as-groups": ["one", "system:masters"]}, **{"proxy-url": here.https_proxy.url})),
    "server name": (ADMINS, lambda here: here.config(ADMIN, **{"tls-server-name": "kubernetes.default"})),
    "not verified": (ADMINS, lambda here: here.config(ADMIN, **{"insecure-skip-tls-verify": True, "certificate-authority": ""})),
    "several files": (DEFAULT, _split),
    "wrong token": (None, lambda here: here.config({"token": "wrong"})),
    "wrong token file": (None, lambda here: here.config({"tokenFile": "wrong"})),
    "no login": (None, lambda here: here.config({})),
    "no certificate file": (None, lambda here: here.config({**ADMIN, "client-certificate": "missing"})),
    "certificate without a key": (None, lambda here: here.config({"client-certificate": "admin.crt"})),
    "certificate twice": (None, lambda here: here.config({**ADMIN, "client-certificate-data": here.data("admin.crt")})),
    "authority twice": (None, lambda here: here.config(ADMIN, **{"certificate-authority-data": here.data("ca.crt")})),
    "no authority": (None, lambda here: here.config(ADMIN, **{"certificate-authority": ""})),
    "not base64": (None, lambda here: here.config(ADMIN, **{"certificate-authority": "", "certificate-authority-data": "!"})),
    "not verified beside an authority": (None, lambda here: here.config(ADMIN, **{"insecure-skip-tls-verify": True})),
    "other server name": (None, lambda here: here.config(ADMIN, **{"tls-server-name": "other.example"})),
    "proxy of FTP": (None, lambda here: here.config(ADMIN, **{"proxy-url": "ftp://127.0.0.1:1"})),
    "proxy that is not there": (None, lambda here: here.config(ADMIN, **{"proxy-url": "http://127.0.0.1:1"})),
    "token and password": (None, lambda here: here.config({"token": here.token, "username": "me", "password": "word"})),
    "groups without a user": (None, lambda here: here.config({**ADMIN, "as-groups": ["one"]})),
    "a header in a user": (None, lambda here: here.config({**ADMIN, "as": "jane\r\nImpersonate-Group: system:masters"})),
    "plugin that fails": (None, lambda here: here.config(here.plugin("echo log in again >&2; exit 3"))),
    "plugin that prints text": (None, lambda here: here.config(here.plugin("echo token"))),
    "plugin of another version": (None, lambda here: here.config(here.plugin(here.prints(BETA)))),
    "plugin with a certificate only": (None, lambda here: here.config(here.plugin(here.prints(clientCertificateData="x")))),
    "plugin without a mode": (None, lambda here: here.config(here.plugin(here.prints(), interactiveMode=""))),
    "plugin with an unknown mode": (None, lambda here: here.config(here.plugin(here.prints(), interactiveMode="Maybe"))),
    "plugin that needs a terminal": (None, lambda here: here.config(here.plugin(here.prints(), interactiveMode="Always"))),
    "plugin that is missing": (None, lambda here: here.config({"exec": {"command": "no-such", "apiVersion": BETA}})),
    "plugin without a command": (None, lambda here: here.config({"exec": {"apiVersion": BETA}})),
    "plugin beside a provider": (None, lambda here: here.config({**here.plugin(here.prints()), "auth-provider": {"name": "oidc"}})),
    "provider gcp": (None, lambda here: here.config({"auth-provider": {"name": "gcp", "config": {"access-token": here.token}}})),
    "provider azure": (None, lambda here: here.config({"auth-provider": {"name": "azure", "config": {}}})),
    "expired OpenID Connect": (None, lambda here: here.config({"auth-provider": {"name": "oidc", "config": {
        "id-token": "e30.eyJleHAiOjF9.c2ln", "client-id": "c", "idp-issuer-url": "https://127.0.0.1:1"}}})),
    "two users of a name": (None, lambda here: {**here.config(ADMIN), "users": [{"name": "u", "user": ADMIN}] * 2}),
    "no user of the name": (None, lambda here: _with_context(here, user="other")),
    "no cluster of the name": (None, lambda here: _with_context(here, cluster="other")),
    "no context of the name": (None, lambda here: {**here.config(ADMIN), "current-context": "other"}),
    "no context": (None, lambda here: {**here.config(ADMIN), "current-context": ""}),
}  # fmt: skip


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> str:
    cluster.kubectl("create", "namespace", NAMESPACE)
    return NAMESPACE


@pytest.fixture
def here(tmp_path: Path, cluster: Cluster, namespace: str) -> Iterator[Here]:
    made = Here(tmp_path, cluster)
    yield made
    made.stop()


def write(here: Here, made: Mapping[str, Any] | list[dict[str, Any] | str]) -> str:
    """KUBECONFIG for one file or several, as YAML that is JSON; a text is the whole file."""
    paths = []
    for number, part in enumerate(made if isinstance(made, list) else [made]):
        file = here.folder / f"config-{number}"
        file.write_text(part if isinstance(part, str) else json.dumps(part))
        paths.append(str(file))
    return ":".join(paths)


def environment(here: Here, kubeconfig: str) -> ProcessEnvironment:
    return runs.environment(here.folder, KUBECONFIG=kubeconfig, PATH="/usr/bin:/bin")


def whoami(here: Here, kubeconfig: str) -> dict[str, Any] | str:
    """Who kubectl is; its error where it fails."""
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(here.folder), "KUBECONFIG": kubeconfig}
    done = subprocess.run(
        [find("kubectl"), "auth", "whoami", "-o", "json", "--request-timeout=30s"],
        env=variables, cwd=here.folder, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        return done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["status"]["userInfo"]
    return found


def asked(here: Here, kubeconfig: str) -> dict[str, Any] | str:
    """Who shipit is; its error where it fails."""
    process_environment = environment(here, kubeconfig)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        server = ApiServer(read_context(process_environment, None), process_environment)
    except RemoteError as error:
        return error.render()
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    try:
        answer = server.send("POST", path, Deadline.after(Clock(), 60), body=json.dumps(review).encode())
        return dict(parsed(answer)["status"]["userInfo"].map())
    except RemoteError as error:
        return error.render()
    finally:
        server.close()


@pytest.mark.sampled
@pytest.mark.parametrize("case", sampled(list(CASES), 20, of="kubeconfig"))
def test_a_kubeconfig_means_what_it_means_to_kubectl(here: Here, case: str) -> None:
    user, make = CASES[case]
    kubeconfig = write(here, make(here))
    ours, theirs = asked(here, kubeconfig), whoami(here, kubeconfig)
    if user is None:
        assert isinstance(theirs, str) and isinstance(ours, str), (ours, theirs)
        return
    assert not isinstance(ours, str), ours
    assert not isinstance(theirs, str), theirs
    assert ours == theirs
    assert ours["username"] == user


def test_a_plugin_s_own_message_is_shown_and_nothing_is_sent(
    here: Here, shipit: Shipit, registry_server: RegistryServer
) -> None:
    """Where a plugin fails, no request goes out as the anonymous user."""
    shipit.write(
        deploy__yml=f"app: x\nimages: {{x: {{use: '{registry_server.host}/x:1'}}}}\ntargets: {{k8s: {{port: 80}}}}\n"
    )
    shipit.env["KUBECONFIG"] = write(here, here.config(here.plugin("echo run: sso login >&2; exit 3")))
    done = shipit.run("status")
    assert done.returncode == 1
    assert "users[0].user.exec runs ./plugin, which ended with 3" in done.stdout + done.stderr
    assert "run: sso login" in done.stdout + done.stderr
    assert "anonymous" not in done.stdout + done.stderr


def test_a_target_acts_as_another_user(here: Here, shipit: Shipit, registry_server: RegistryServer) -> None:
    text = f"app: x\nimages: {{x: {{use: '{registry_server.host}/x:1'}}}}\ntargets: {{k8s: {{port: 80, impersonate: jane}}}}\n"
    shipit.write(deploy__yml=text)
    insecure = {"insecure-skip-tls-verify": True, "certificate-authority": ""}
    shipit.env["KUBECONFIG"] = write(
        here, here.config({**ADMIN, "as": "john", "as-groups": ["system:masters"]}, **insecure)
    )
    done = shipit.run("status")
    said = done.stdout + done.stderr
    assert 'User "jane" cannot' in said, said
    assert said.count("is not verified: the context has insecure-skip-tls-verify") == 1
    here.cluster.kubectl("create", "rolebinding", "jane", "-n", NAMESPACE, "--clusterrole=edit", "--user=jane")
    assert "requests are made as jane" in shipit.run("doctor", "k8s").stdout
