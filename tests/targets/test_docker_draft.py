"""Docker hosts in the deploy.yml that `shipit init` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shipit.config.load import load_project
from shipit.config.process_environment import ProcessEnvironment
from shipit.drafts.files import Process, ProjectFacts
from shipit.drafts.kind import Choice, Detection, Folder
from shipit.drafts.values import as_list, as_map
from shipit.setup.draft import Answers, render_draft
from shipit.setup.found import look
from shipit.targets.docker.draft import DRAFT, kamal_hosts
from shipit.targets.kinds import KindModels, kind_drafts

KAMAL = """service: shop
image: user/shop
servers:
  web: [192.0.2.1, 192.0.2.2]
  job: {hosts: [192.0.2.3], cmd: bin/jobs}
ssh: {user: deploy}
"""


def facts(folder: Path, processes: dict[str, Process]) -> ProjectFacts:
    """Those of an empty project, with these processes."""
    found = look(folder, ProcessEnvironment({}, folder, folder), ()).project
    return found._replace(processes=processes)


def test_the_servers_of_kamal_become_hosts(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/deploy.yml").write_text(KAMAL)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    environment = ProcessEnvironment({}, tmp_path, tmp_path)
    found = look(tmp_path, environment, kind_drafts())
    chosen = {draft.target: draft.choose(found.project, seen) for draft, seen in found.kinds}
    places = {target: place for target, place in chosen.items() if place}
    assert list(places) == ["docker"]
    (tmp_path / "deploy.yml").write_text(render_draft(found, Answers("shop", "", places)).text)
    project = load_project(tmp_path / "deploy.yml", environment, KindModels())
    config: Any = project.targets["docker"]
    assert config.hosts == ("ssh://deploy@192.0.2.1", "ssh://deploy@192.0.2.2", "ssh://deploy@192.0.2.3")
    assert set(config.services) == {"web", "job"}
    assert config.services["job"].command == ("/bin/sh", "-c", "bin/jobs")


@pytest.mark.parametrize(
    ("data", "hosts"),
    [
        ({"service": "a", "servers": ["web1", {"web2": "tag"}]}, ("ssh://root@web1", "ssh://root@web2")),
        ({"service": "a", "servers": {"web": None, "job": {"hosts": None}}}, ()),
        ({"service": "a", "servers": ["-oProxyCommand=x", "<%= ENV['HOST'] %>"]}, ()),
        ({"service": "a", "servers": ["web1"], "ssh": {"user": "-l"}}, ()),
        ({"service": "a"}, ()),
    ],
)
def test_servers_that_are_none_are_left_out(data: dict[str, Any], hosts: tuple[str, ...]) -> None:
    assert kamal_hosts(data) == hosts
    assert as_list(as_map({})) == []


def test_a_remote_context_is_asked_for_and_an_engine_of_the_environment_is_taken(tmp_path: Path) -> None:
    for number, (name, host) in enumerate([("prod", "ssh://web1"), ("here", "unix:///x"), ("o d d", "ssh://x")]):
        folder = tmp_path / f".docker/contexts/meta/{number}"
        folder.mkdir(parents=True)
        (folder / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))
    project = facts(tmp_path, {})
    found = DRAFT.detect(Folder(tmp_path, ProcessEnvironment({}, tmp_path, tmp_path)))
    assert found == Detection(places={"prod": "context:prod"})
    assert DRAFT.choose(project, found) is None
    question = DRAFT.question(project, found)
    assert question is not None and question.default == "none"
    assert question.check("context:prod, ssh://a") == "" and "should be ssh://" in question.check("web1")
    environment = ProcessEnvironment({"DOCKER_HOST": "ssh://me@web2"}, tmp_path, tmp_path)
    assert DRAFT.choose(project, DRAFT.detect(Folder(tmp_path, environment))) == Choice("ssh://me@web2")
    assert DRAFT.question(project, Detection()) is None


def test_services_have_names_of_their_own(tmp_path: Path) -> None:
    names = ("a_b", "a-b", "É", "web")
    project = facts(
        tmp_path, {name: Process(name, port=80, health="/up", quantity=2, env=(("A", "1"),)) for name in names}
    )
    lines = DRAFT.render(project, Detection(), Choice("ssh://web1")).lines
    assert [line.split(":")[0].strip() for line in lines[3:]] == ["a-b", "a-b-2", "worker", "web"]
    assert 'port: 80, health: "/up", replicas: 2' in lines[3]
    only = facts(tmp_path, {"web": Process("web", command="serve", host="shop.example.com", port=80)})
    assert DRAFT.render(only, Detection(), Choice("context:prod")).lines == (
        '  docker: {hosts: ["context:prod"], command: serve, port: 80, host: shop.example.com}',
    )
