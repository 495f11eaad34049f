"""A server that repeats the credentials it was sent is no way to see them: not in any output of any command."""

from __future__ import annotations

import base64
import json
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shipit.redact import MASK
from tests.shipit import Shipit

# Each repeats whole runs many times.
pytestmark = pytest.mark.slow

PASSWORD = 'pass/word "4711" <canary>'
TOKEN = "token-canary-of-4711"
PAIR = base64.b64encode(f"me:{PASSWORD}".encode()).decode()


class Echo(BaseHTTPRequestHandler):
    """Refuses everything, and repeats what it was sent in every way it knows."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        sent = self.headers.get("Authorization", "")
        if not sent:
            self.reply(401, {"errors": []}, {"WWW-Authenticate": 'Basic realm="echo"'})
            return
        word = sent.partition(" ")[2]
        plain = base64.b64decode(word).decode() if sent.startswith("Basic") else word
        secret = plain.partition(":")[2] or plain
        said = f"x{' ' * 280}{sent} {plain} {secret!r} {urllib.parse.quote(secret, safe='')} {secret.encode().hex()}"
        body = {"errors": [{"code": "DENIED", "message": said, "detail": said}], "id": secret, "message": said}
        self.reply(403, body, {"Location": f"http://{secret}/{secret}".replace("\n", "")})

    def reply(self, status: int, body: object, headers: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_HEAD = do_DELETE = answer


@pytest.fixture
def echo() -> Iterator[str]:
    """The host of the server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def assert_unseen(text: str, *secrets: str) -> None:
    for secret in secrets:
        forms = (
            secret,
            repr(secret)[1:-1],
            json.dumps(secret)[1:-1],
            json.dumps(json.dumps(secret)[1:-1])[1:-1],
            urllib.parse.quote(secret, safe=""),
            secret.encode().hex(),
            secret[:-2],
        )
        assert not [form for form in forms if form in text], text


@pytest.mark.parametrize("output", ["plain", "json", "github"])
@pytest.mark.parametrize("command", ["deploy", "push", "plan", "status", "doctor", "build"])
def test_a_registry_that_repeats_the_login(in_process: Shipit, echo: str, command: str, output: str) -> None:
    in_process.env["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {echo: {"auth": PAIR}}})
    in_process.write(
        Dockerfile=f"FROM {echo}/base@sha256:{'a' * 64}\nCOPY Dockerfile /\n",
        deploy__yml=f"app: shop\nimage: {echo}/shop\ntargets: {{hub: }}\n",
    )
    done = in_process.run(command, "--output", output)
    assert done.returncode == 1, done
    assert_unseen(done.stdout + done.stderr, PASSWORD, PAIR)
    said = done.stdout + done.stderr
    assert MASK in said or "HEAD " in said, "an answer to HEAD has no body that could repeat it"


@pytest.mark.parametrize("words", [["login", "HOST", "--username", "me", "--password-stdin"], ["login", "HOST"]])
def test_login_at_a_registry_that_repeats_the_password(shipit: Shipit, echo: str, words: list[str]) -> None:
    if "--username" not in words:
        shipit.env["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {echo: {"username": "me", "password": PASSWORD}}})
    done = shipit.run(*[word.replace("HOST", echo) for word in words], input_text=PASSWORD)
    assert done.returncode in (1, 2), done
    assert_unseen(done.stdout + done.stderr, PASSWORD, PAIR)


@pytest.mark.parametrize("command", [["deploy"], ["plan"], ["status"], ["doctor"], ["login", "heroku"]])
def test_a_heroku_that_repeats_the_token(in_process: Shipit, echo: str, command: list[str]) -> None:
    in_process.env |= {"SHIPIT_HEROKU_API": f"http://{echo}", "SHIPIT_HEROKU_REGISTRY": echo, "HEROKU_API_KEY": TOKEN}
    in_process.write(
        Dockerfile='FROM scratch\nCOPY Dockerfile /\nCMD ["x"]\n',
        deploy__yml="app: shop\nimage: {build: .}\ntargets: {heroku: {app: shop-prod}}\n",
    )
    done = in_process.run(*command)
    assert done.returncode == 1, done
    assert_unseen(done.stdout + done.stderr, TOKEN, base64.b64encode(f"_:{TOKEN}".encode()).decode())
    assert MASK in done.stdout + done.stderr


@pytest.mark.parametrize("user", [{"token": TOKEN}, {"username": "me", "password": PASSWORD}])
@pytest.mark.parametrize("command", ["deploy", "plan", "status", "doctor"])
def test_an_api_server_that_repeats_the_credentials(
    in_process: Shipit, echo: str, command: str, user: dict[str, str]
) -> None:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://{echo}"}}],
        "users": [{"name": "u", "user": user}],
    }
    in_process.env["KUBECONFIG"] = str(in_process.folder / "kubeconfig")
    in_process.write(
        kubeconfig=json.dumps(config),
        Dockerfile="FROM scratch\nCOPY Dockerfile /\n",
        deploy__yml="app: shop\nimage: {repository: 127.0.0.1:1/shop, build: .}\ntargets: {k8s: {port: 80}}\n",
    )
    done = in_process.run(command)
    assert done.returncode == 1, done
    assert_unseen(done.stdout + done.stderr, TOKEN, PASSWORD, PAIR)
    assert MASK in done.stdout + done.stderr


@pytest.mark.parametrize("value", ["healthy", "heroku", "failed", "production", "step", "deploy", "main", "unchanged"])
def test_a_secret_that_is_a_word_of_ours_breaks_nothing(in_process: Shipit, value: str) -> None:
    from shipit.rehearsal.registry import EmbeddedRegistry

    with EmbeddedRegistry() as server:
        in_process.env["WORD"] = value
        in_process.write(
            Dockerfile="FROM scratch\nCOPY Dockerfile /\n",
            deploy__yml=f"app: shop\nimage: {server.host}/shop\nsecrets: {{TOKEN: {{env: WORD}}}}\n"
            "targets: {main: {kind: registry, settle: 0s}}\n",
        )
        code, events = in_process.events("deploy")
        assert code == 0
        finished = [event for event in events if event["event"] == "target_finished"]
        assert [(event["target"], event["state"]) for event in finished] == [("main", "healthy")]
        assert events[0]["event"] == "run_started" and events[0]["command"] == "deploy"
        assert events[0]["environment"] == "production"
        assert in_process.run("deploy", "--output", "plain").returncode == 0
        assert in_process.run("validate", "--resolved").returncode == 0
