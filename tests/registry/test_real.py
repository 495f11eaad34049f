"""Pushing to the reference registry: tokens that die young, what may be mounted, and a fault at every request."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.clock import Clock
from shipit.errors import ShipitError
from shipit.events import Event, Retried, Transferred
from shipit.http.transport import Transport
from shipit.pipeline.flow import push
from shipit.pipeline.run import Run
from shipit.registry.client import RegistryClient
from shipit.registry.credentials import Credentials
from shipit.registry.wire import RegistryWire
from tests import runs
from tests.conftest import started
from tests.delivery.test_publish import BCRYPT_OF_SECRET
from tests.sampled import sampled
from tests.servers.certificates import Authority
from tests.servers.faults import Fault, FaultProxy
from tests.servers.install import find
from tests.servers.registry import RegistryServer
from tests.servers.tokens import TokenServer
from tests.shipit import Shipit

pytestmark = pytest.mark.registry

DOCKERFILE = 'FROM scratch\nCOPY hello.txt /a\nCOPY other.txt /b\nCMD ["/a"]\n'
USERS = {"me": "secret", "puller": "secret"}
RIGHTS = {
    "me": {"me/app": "pull,push", "me/base": "pull,push", "me/top": "pull,push", "me/none": "pull"},
    "puller": {"me/app": "pull"},
    "": {"me/base": "pull"},
}


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    server = TokenServer(tmp_path_factory.mktemp("tokens"), USERS, RIGHTS)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def secured(tokens: TokenServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    server = started(lambda: RegistryServer(tmp_path_factory.mktemp("secured"), tokens=tokens))
    yield server
    server.stop()


@pytest.fixture
def proxy(secured: RegistryServer) -> Iterator[FaultProxy]:
    server = FaultProxy(secured.host)
    yield server
    server.stop()


def make(
    folder: Path,
    host: str,
    events: list[Event],
    *,
    name: str = "me/app",
    user: str = "me:secret",
    dockerfile: str = DOCKERFILE,
    clock: Clock | None = None,
    ca: Path | None = None,
) -> Run:
    trusted = {"SSL_CERT_FILE": str(ca)} if ca else {}
    process_environment = runs.environment(
        folder, DOCKER_AUTH_CONFIG=auth(host, user), SHIPIT_HTTP_TIMEOUT="1s", **trusted
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "other.txt").write_text(f"another file of {folder}\n" * 500)
    text = f"app: app\nimage: {{repository: {host}/{name}, tags: [v1]}}\ntargets: {{hub: }}\n"
    return runs.run(
        runs.project(folder, text, process_environment, dockerfile=dockerfile), process_environment, events, clock=clock
    )


def auth(host: str, user: str) -> str:
    import base64

    return json.dumps({"auths": {host: {"auth": base64.b64encode(user.encode()).decode()}}})


def moved(events: list[Event]) -> Transferred:
    return [event for event in events if isinstance(event, Transferred)][-1]


def read_back(host: str, name: str, folder: Path, user: str = "me:secret") -> list[str]:
    """The digests of everything that a tag names, as skopeo copies them."""
    target = folder / "copied"
    command = [find("skopeo"), "copy", "--src-tls-verify=false", f"--src-creds={user}"]
    done = subprocess.run(
        [*command, f"docker://{host}/{name}:v1", f"dir:{target}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return sorted(file.name for file in target.iterdir())


def is_whole(host: str, name: str) -> bool:
    """Whether everything that the tag names is there, asked by a client of its own."""
    process_environment = runs.environment(Path("/nonexistent"))
    client = RegistryClient(
        RegistryWire(host, Transport(process_environment), lambda event: None, Credentials("me", "secret"))
    )
    found = client.manifest(name, "v1")
    assert found is not None
    manifest = json.loads(found[0])
    return all(client.has_blob(name, row["digest"], push=False) for row in (manifest["config"], *manifest["layers"]))


def test_tokens_that_expire_during_a_push_are_renewed(
    tmp_path: Path, secured: RegistryServer, proxy: FaultProxy, tokens: TokenServer
) -> None:
    proxy.pause_s = 1.2
    before = tokens.given
    events: list[Event] = []
    run = make(tmp_path, proxy.host, events, clock=Clock())
    run.environment = runs.with_variables(run.environment, {"SHIPIT_HTTP_TIMEOUT": "10s"})
    fresh = Run(run.project, run.targets, run.environment, Clock(), lambda envelope: events.append(envelope.event))
    push(fresh)
    assert tokens.given - before >= 3, "five seconds of life, and a push of a dozen slow requests"
    assert moved(events).sent == 3
    assert not [event for event in events if isinstance(event, Retried)]
    assert len(read_back(secured.host, "me/app", tmp_path)) >= 4


def test_a_mount_asks_for_both_repositories_at_once(
    tmp_path: Path, secured: RegistryServer, tokens: TokenServer
) -> None:
    events: list[Event] = []
    push(make(tmp_path / "base", secured.host, events, name="me/base"))
    tokens.asked.clear()
    top = f'FROM {secured.host}/me/base:v1\nCOPY hello.txt /top\nCMD ["x"]\n'
    push(make(tmp_path / "top", secured.host, events, name="me/top", dockerfile=top))
    assert (moved(events).sent, moved(events).mounted) == (2, 2)
    assert ("repository:me/top:pull,push", "repository:me/base:pull") in tokens.asked


def test_a_forbidden_push_names_the_repository(tmp_path: Path, secured: RegistryServer) -> None:
    with pytest.raises(ShipitError) as caught:
        push(make(tmp_path, secured.host, [], user="puller:secret"))
    what, hint = caught.value.render().splitlines()
    assert "/v2/me/app/" in what and "refused user 'puller' from DOCKER_AUTH_CONFIG" in what
    assert hint == f"hint: check that it may push there, or shipit login {secured.host}"
    with pytest.raises(ShipitError) as caught:
        push(make(tmp_path, secured.host, [], user="me:wrong"))
    assert "refused user 'me'" in caught.value.render() and "wrong" not in caught.value.render()


FAULTS = [
    *(Fault(kind) for kind in ("401", "404", "413", "429", "500", "reset", "timeout", "truncated")),
    Fault("500", is_late=True),
    Fault("reset", is_late=True),
]


@pytest.mark.sampled
@pytest.mark.parametrize(
    "fault", sampled(FAULTS, 5, of="faults"), ids=lambda fault: f"{fault.kind}{'-late' if fault.is_late else ''}"
)
def test_after_a_fault_at_any_request_a_push_succeeds_or_fails_with_an_error(
    tmp_path: Path, secured: RegistryServer, proxy: FaultProxy, fault: Fault
) -> None:
    """Each round pushes new content; a tag that can be read names something whole."""
    proxy.begin(-1, None)
    push(make(tmp_path / "count", proxy.host, []))
    count = proxy.count
    assert count >= 10
    for index in sampled(range(count), 5, of=str(fault)):
        folder = tmp_path / str(index)
        proxy.begin(index, fault)
        try:
            push(make(folder, proxy.host, []))
        except ShipitError as error:
            text = error.render()
            assert f"{proxy.host}/v2/me/app/" in text or proxy.host in text, text
            assert fault.kind in ("401", "404", "413", "truncated"), f"{proxy.met} should be tried again: {text}"
        if not proxy.met:
            break
        assert is_whole(secured.host, "me/app")
        proxy.begin(-1, None)
        push(make(folder, proxy.host, []))
        assert is_whole(secured.host, "me/app")
    read_back(secured.host, "me/app", tmp_path)


def test_a_blob_is_uploaded_in_chunks_through_a_proxy_with_a_size_limit(
    tmp_path: Path, secured: RegistryServer, proxy: FaultProxy
) -> None:
    import random

    proxy.largest = 1024 * 1024
    (tmp_path / "hello.txt").write_bytes(random.Random(1).randbytes(5 * 1024 * 1024))
    events: list[Event] = []
    push(make(tmp_path, proxy.host, events))
    assert moved(events).sent == 3
    assert len(read_back(secured.host, "me/app", tmp_path)) >= 4


def test_login_and_logout_with_real_registries(shipit: Shipit, secured: RegistryServer, tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text(f"me:{BCRYPT_OF_SECRET}\n")
    basic = started(lambda: RegistryServer(tmp_path / "basic", htpasswd=tmp_path / "htpasswd"))
    try:
        for host in (secured.host, basic.host):
            check_logs_in_and_out(shipit, host)
    finally:
        basic.stop()


def check_logs_in_and_out(shipit: Shipit, host: str) -> None:
    def login(password: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["login", host, "--username", "me", "--password-stdin", *words]
        return shipit.run(*command, input_text=password)

    config = Path(shipit.env["HOME"]) / ".docker/config.json"
    wrong = login("wrong")
    assert wrong.returncode == 1 and "refused user 'me' from your input" in wrong.stderr
    assert not config.exists() or host not in config.read_text()
    done = login("secret\n")
    assert done.stdout == f"logged in to {host} as me, stored in {config}\n", done.stderr
    assert config.stat().st_mode & 0o777 == 0o600
    # Another program that reads Docker's file is logged in by it.
    command = [find("skopeo"), "list-tags", "--tls-verify=false", f"--authfile={config}", f"docker://{host}/me/none"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "unauthorized" not in listed.stderr and ("404" in listed.stderr or "unknown" in listed.stderr)
    again = shipit.run("login", host)
    assert again.stdout == f"logged in to {host} as me, from {config}\n", again.stderr
    gone = shipit.run("logout", host)
    assert gone.stdout == f"logged out of {host}: removed from {config}\n", gone.stderr
    assert shipit.run("logout", host).stdout == f"there was no login for {host}\n"
    nobody = shipit.run("login", host)
    assert nobody.returncode == 2 and "this is no terminal" in nobody.stderr


def test_login_asks_at_a_terminal_and_hides_the_password(
    shipit: Shipit, secured: RegistryServer, tmp_path: Path
) -> None:
    shipit.env |= {"TERM": "xterm", "DOCKER_CONFIG": str(tmp_path / "docker")}
    asked = [("Username", "me"), (f"Password or token for {secured.host}: ", "wrong-password")]
    code, shown = shipit.converse(["login", secured.host], asked)
    assert code == 1 and "check the user and the password" in shown and "wrong-password" not in shown
    asked[-1] = (asked[-1][0], "secret")
    code, shown = shipit.converse(["login", secured.host], asked)
    assert code == 0 and f"logged in to {secured.host} as me, stored in" in shown and "secret" not in shown
    # What is kept works, so nothing is asked; when it stops working, that is said before asking.
    assert shipit.converse(["login", secured.host], []) == (
        0,
        f"logged in to {secured.host} as me, from {tmp_path}/docker/config.json\n",
    )


def test_a_registry_over_tls(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    Authority(pki).issue("server", "server", names=("127.0.0.1",))
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted/ca.crt").write_bytes((pki / "ca.crt").read_bytes())
    server = started(lambda: RegistryServer(tmp_path / "registry", tls=pki))
    try:
        events: list[Event] = []
        push(make(tmp_path / "mine", server.host, events, ca=pki / "ca.crt"))
        assert moved(events).sent == 3
        command = [find("skopeo"), "inspect", f"--cert-dir={tmp_path}/trusted", f"docker://{server.host}/me/app:v1"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert len(json.loads(done.stdout)["Layers"]) == 2

        # A base behind the same certificate, mounted; a store of its own.
        based = f"FROM {server.host}/me/app:v1\nCOPY hello.txt /c\n"
        push(make(tmp_path / "other", server.host, events, name="me/top", dockerfile=based, ca=pki / "ca.crt"))
        assert (moved(events).sent, moved(events).mounted) == (2, 2)

        with pytest.raises(ShipitError, match=r"the certificate of 127\.0\.0\.1 can't be trusted: .*certificate"):
            push(make(tmp_path / "third", server.host, events))
    finally:
        server.stop()
