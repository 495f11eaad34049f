"""OpenID Connect tokens of a kubeconfig, renewed by an issuer as client-go does it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from shipit.clock import Clock, Deadline
from shipit.config.process_environment import ProcessEnvironment
from shipit.errors import RemoteError
from shipit.rehearsal.server import Request, Response, StrictServer
from shipit.targets.kubernetes.identity import Identity
from shipit.targets.kubernetes.kubeconfig import read_context
from tests import runs

BLOCK = """\
# Ours.
current-context: prod
clusters: [{name: prod, cluster: {server: "https://10.0.0.1:6443"}}]
contexts: [{name: prod, context: {cluster: prod, user: me}}]
users:
- name: other
  user: {token: t}
- name: me
  user:
    auth-provider:
      name: oidc
      config:
        client-id: our client
        client-secret: our-secret
        idp-issuer-url: ISSUER
        id-token: OLD   # expires
        refresh-token: first-refresh
"""


def token(expires_s: float, name: str = "me") -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": name, "exp": expires_s}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


OLD, NEW = token(time.time() - 60), token(time.time() + 3600, "renewed")


class Issuer(StrictServer):
    """Gives a token for `refresh`. With `wants_form` it knows no Authorization header. `gives` is merged into its answer.

    `token_host` is another host for its token endpoint.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refresh, self.wants_form = "first-refresh", False
        self.gives: dict[str, Any] = {}
        self.asked: list[dict[str, list[str]]] = []
        self.token_host = ""
        self.route("GET", "/realm/.well-known/openid-configuration", self._discovery)
        self.route("POST", "/realm/token", self._token)

    def _discovery(self, request: Request) -> Response:
        return Response(
            200, json.dumps({"token_endpoint": f"http://{self.token_host or self.host}/realm/token"}).encode()
        )

    def _token(self, request: Request) -> Response:
        form = parse_qs(request.body.decode())
        self.asked.append(form)
        basic = base64.b64encode(b"our+client:our-secret").decode()
        known = request.headers.get("authorization") == f"Basic {basic}" and not self.wants_form
        if not known and (form.get("client_id"), form.get("client_secret")) != (["our client"], ["our-secret"]):
            return Response(401, b'{"error": "invalid_client"}')
        if form["refresh_token"] != [self.refresh]:
            return Response(400, b'{"error": "invalid_grant", "error_description": "the refresh token is used up"}')
        return Response(200, json.dumps({"access_token": "a", "id_token": NEW, **self.gives}).encode())


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as made:
        yield made


def written(folder: Path, issuer: Issuer, text: str = BLOCK) -> Path:
    file = folder / "config"
    file.write_text(text.replace("ISSUER", f"http://{issuer.host}/realm/").replace("OLD", OLD))
    file.chmod(0o600)
    return file


def header(folder: Path, **change: Any) -> tuple[str, ProcessEnvironment]:
    environment = runs.environment(folder, KUBECONFIG=str(folder / "config"))._replace(**change)
    identity = Identity(read_context(environment, None), environment)
    return identity.header(Deadline.after(Clock(), 60))["Authorization"], environment


def settings(file: Path) -> dict[str, str]:
    config: dict[str, str] = yaml.safe_load(file.read_text())["users"][1]["user"]["auth-provider"]["config"]
    return config


@pytest.mark.parametrize("wants_form", [False, True])
def test_an_expired_token_is_renewed_and_saved(tmp_path: Path, issuer: Issuer, wants_form: bool) -> None:
    file = written(tmp_path, issuer)
    before = file.read_text()
    issuer.gives, issuer.wants_form = {"refresh_token": "second-refresh"}, wants_form
    found, environment = header(tmp_path)
    assert found == f"Bearer {NEW}"
    assert file.read_text() == before.replace(OLD, f'"{NEW}"').replace("first-refresh", '"second-refresh"')
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config"]
    assert environment.redactor.text(f"{NEW} second-refresh") == "[redacted] [redacted]"
    assert header(tmp_path)[0] == f"Bearer {NEW}"
    assert len(issuer.asked) == (2 if wants_form else 1), "a token that is valid is not renewed"


def test_a_missing_id_token_is_added_to_a_kubeconfig_of_json(tmp_path: Path, issuer: Issuer) -> None:
    whole = yaml.safe_load(BLOCK)
    del whole["users"][1]["user"]["auth-provider"]["config"]["id-token"]
    file = written(tmp_path, issuer, json.dumps(whole))
    assert header(tmp_path)[0] == f"Bearer {NEW}"
    assert settings(file)["id-token"] == NEW and settings(file)["refresh-token"] == "first-refresh"


def test_the_reason_of_the_issuer_is_told(tmp_path: Path, issuer: Issuer) -> None:
    written(tmp_path, issuer)
    issuer.refresh = "another"
    with pytest.raises(RemoteError, match="invalid_grant: the refresh token is used up") as caught:
        header(tmp_path)
    assert caught.value.hint == "log in again with the program that wrote this kubeconfig"
    assert "first-refresh" not in caught.value.render()


def test_a_token_endpoint_that_the_issuer_may_not_lead_to_gets_no_credentials(tmp_path: Path, issuer: Issuer) -> None:
    file = written(tmp_path, issuer)
    issuer.token_host = "169.254.169.254"
    with pytest.raises(RemoteError, match=r"to an address of this machine or its link: 169\.254\.169\.254"):
        header(tmp_path)
    assert settings(file)["id-token"] == OLD


def test_an_issuer_that_gives_no_id_token(tmp_path: Path, issuer: Issuer) -> None:
    file = written(tmp_path, issuer)
    issuer.gives = {"id_token": None}
    with pytest.raises(RemoteError, match="the issuer gives no id_token for the refresh-token"):
        header(tmp_path)
    assert settings(file)["id-token"] == OLD


def test_a_used_refresh_token_that_can_not_be_replaced_is_an_error(tmp_path: Path, issuer: Issuer) -> None:
    """Another program holds the lock. Without a new refresh token, the next program renews as this one did."""
    file = written(tmp_path, issuer)
    (tmp_path / "config.lock").touch()
    assert header(tmp_path)[0] == f"Bearer {NEW}"
    issuer.gives = {"refresh_token": "second-refresh"}
    with pytest.raises(RemoteError, match="the new tokens could not be saved: File exists"):
        header(tmp_path)
    assert settings(file)["id-token"] == OLD


def test_without_trust_nothing_is_renewed(tmp_path: Path, issuer: Issuer) -> None:
    written(tmp_path, issuer)
    with pytest.raises(RemoteError, match="--untrusted does not allow to renew it"):
        header(tmp_path, is_untrusted=True)
    assert issuer.asked == []
