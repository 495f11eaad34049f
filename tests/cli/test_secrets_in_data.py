"""No value of a secret is in what a command gives as data: output, events, the summary of a step, the cache's names."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from shipit.envelope import EVENTS
from shipit.record import field_types, tagged
from shipit.redact import free_text_fields
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.release import Step
from shipit.targets.kinds import load_steps
from tests.output_schema import check_line
from tests.servers.kube_api import KubeApi
from tests.shipit import Shipit
from tests.targets.kube_place import env_secret_of

OLD, NEW, FORMER = "canary-old/4711", "canary-new/4712", "canary-former/4713"
PART, WITHIN = "canary-part-4714", "canary-manifest-4715"
PASSWORD, CLUSTER = "canary-password-4716", "token-of-the-cluster"
SECRETS = (OLD, NEW, FORMER, PART, WITHIN, PASSWORD, CLUSTER, "token-of-heroku")
COMMANDS = ("validate", "doctor", "plan", "deploy", "status", "deploy")
ENV = "env: {URL: 'postgres://me:${TOKEN_PART}@db/x', MODE: live}\n"
# Prints what it was given, the way a careless program does, and fails.
CARELESS = "[python, -c, 'import os, sys; print(dict(os.environ)); sys.exit(3)']"


@pytest.fixture
def shipit(in_process: Shipit) -> Shipit:
    """Called, not started: what is tested is what commands say."""
    return in_process


def forms(secret: str) -> Iterator[str]:
    """A secret as programs write it."""
    data = secret.encode()
    yield from (secret, urllib.parse.quote(secret, safe=""), data.hex(), json.dumps(secret)[1:-1])
    yield from (base64.b64encode(data).decode().rstrip("="), base64.urlsafe_b64encode(data).decode().rstrip("="))


def outputs(shipit: Shipit, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """All that one command gives, as (where, text): it runs as JSON and for GitHub Actions."""
    for output in ("json", "github"):
        events, summary = shipit.folder / f"{output}.events", shipit.folder / f"{output}.md"
        shipit.env["GITHUB_STEP_SUMMARY"] = str(summary)
        takes_events = words[0] in ("plan", "deploy")
        done = shipit.run(*words, "--output", output, *(["--events", str(events)] if takes_events else []))
        assert done.returncode in (0, 1), done.stderr
        yield f"{words[0]} --output {output}: stdout", done.stdout
        yield f"{words[0]} --output {output}: stderr", done.stderr
        if takes_events:
            lines = events.read_text().splitlines()
            assert lines
            for line in lines:
                check_line(json.loads(line))
        for file in (events, summary):
            if file.exists():
                yield f"{words[0]} --output {output}: {file.name}", file.read_text()
                file.unlink()


def assert_no_secret(shipit: Shipit, commands: Sequence[str] = COMMANDS) -> str:
    """Runs each command, and gives all their text."""
    told = [found for command in commands for found in outputs(shipit, command.split())]
    for where, text in told:
        for secret in SECRETS:
            for form in forms(secret):
                assert form not in text, where
    names = "\n".join(str(path) for path in Path(shipit.env["SHIPIT_CACHE_DIR"]).rglob("*"))
    assert not any(secret in names for secret in SECRETS)
    return "\n".join(text for _, text in told)


def write(shipit: Shipit, target: str, more: str, *, note: str = "") -> None:
    shipit.write(
        Dockerfile='FROM scratch\nCOPY hello.txt /\nCMD ["python", "-m", "http.server"]\n',
        hello__txt=f"hello {note}\n",
        deploy__yml=f"app: shop\n{more}{target}",
    )


def variables(token: str) -> Mapping[str, str]:
    return {"TOKEN": token, "TOKEN_PART": PART, "FORMER": FORMER}


def test_heroku(shipit: Shipit, heroku: HerokuStandIn) -> None:
    target = "targets: {heroku: {app: shop-prod, settle: 0s, timeout: 30s, processes: {web: {quantity: 0}}}}\n"
    image = f"image: {{build: .}}\n{ENV}"
    write(
        shipit,
        target,
        f"{image}secrets: {{TOKEN: {{env: TOKEN}}, FORMER: {{env: FORMER}}, TOKEN_PART: {{env: TOKEN_PART}}}}\n",
    )
    shipit.env |= variables(OLD)
    assert_no_secret(shipit)
    config = heroku.apps["shop-prod"].config
    assert (config["TOKEN"], config["FORMER"]) == (OLD, FORMER) and PART in config["URL"]
    shipit.env |= variables(NEW)
    secrets = "secrets: {TOKEN: {env: TOKEN}, TOKEN_PART: {env: TOKEN_PART}}\n"
    write(shipit, target, f"{image}{secrets}release: {CARELESS}\n", note="two")
    assert "[redacted]" in assert_no_secret(shipit, ("plan", "deploy", "status", "deploy"))
    assert heroku.apps["shop-prod"].config["TOKEN"] == OLD, "the failed release was undone"


def test_kubernetes(shipit: Shipit) -> None:
    with KubeApi() as api, EmbeddedRegistry(password=PASSWORD) as registry:
        login = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
        docker = Path(shipit.env["HOME"]) / ".docker"
        docker.mkdir()
        (docker / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": login}}}))
        target = (
            "targets:\n  k8s: {settle: 0s, timeout: 20s, manifests: [own.yml], pull_secret: true,"
            " workloads: {web: {port: 3000}}}\n"
        )
        secrets = "secrets: {TOKEN: {env: TOKEN}, TOKEN_PART: {env: TOKEN_PART}}\n"
        own = "apiVersion: v1\nkind: Secret\nmetadata: {name: own}\n"
        shipit.env["KUBECONFIG"] = api.kubeconfig(shipit.folder)
        for token, kept in ((OLD, "stringData"), (NEW, "data")):
            shipit.env |= variables(token)
            value = WITHIN if kept == "stringData" else base64.b64encode(WITHIN.encode()).decode()
            (shipit.folder / "own.yml").write_text(f"{own}{kept}: {{password: {value}}}\n")
            write(shipit, target, f"image: {registry.host}/shop\n{ENV}{secrets}", note=token)
            assert_no_secret(shipit)
            assert base64.b64decode(api.objects["secrets", env_secret_of(api)]["data"]["TOKEN"]).decode() == token
        api.logs["web-x"] = [OLD, NEW, PART, WITHIN]
        api.job_state = "Failed"
        api.logs["shop-release-x"] = [OLD, NEW, WITHIN]
        write(shipit, target, f"image: {registry.host}/shop\n{ENV}{secrets}release: [migrate]\n", note="three")
        assert "release command" in assert_no_secret(shipit, ("plan", "deploy", "status"))


@pytest.mark.parametrize("text", ["]]>", "&&"])
def test_a_secret_with_markup_is_in_no_summary(shipit: Shipit, heroku: HerokuStandIn, text: str) -> None:
    secret = f"<b>`4711`{text}*canary*|x|"
    target = "targets: {heroku: {app: shop-prod, settle: 0s, timeout: 30s, processes: {web: {quantity: 0}}}}\n"
    write(shipit, target, f"image: {{build: .}}\nsecrets: {{TOKEN: {{env: TOKEN}}}}\nrelease: {CARELESS}\n")
    shipit.env["TOKEN"] = secret
    for where, told in outputs(shipit, ["deploy"]):
        assert secret not in told and "canary" not in told, where
    assert heroku.apps["shop-prod"].releases


def test_every_field_that_is_any_json_is_redacted() -> None:
    load_steps()
    kinds = [*tagged(Step).values(), *EVENTS.values()]
    found = {(kind, name) for kind in kinds for name, hint in field_types(kind).items() if "Any" in str(hint)}
    assert {name for _, name in found} >= {"manifest", "facts", "replicas"}
    assert [(kind, name) for kind, name in found if name not in free_text_fields(kind)] == []
