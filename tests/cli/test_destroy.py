"""`shipit destroy` at a terminal and without one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.registry import EmbeddedRegistry
from tests.contract.test_memory import PLUGIN
from tests.shipit import Shipit, settled

TEXT = """\
app: shop
image: HOST/shop
targets: {memory: {file: place.json, settle: 0s}}
environments:
  staging: {inherit: true}
"""


@pytest.fixture
def deployed(shipit: Shipit) -> Iterator[Shipit]:
    with EmbeddedRegistry() as registry:
        shipit.env["PYTHONPATH"] += os.pathsep + str(PLUGIN)
        shipit.write(Dockerfile="FROM scratch\nCOPY Dockerfile /\n", deploy__yml=TEXT.replace("HOST", registry.host))
        assert shipit.run("deploy").returncode == 0
        yield shipit


def images(folder: Path) -> list[str]:
    return list(json.loads((folder / "place.json").read_text())["images"])


def test_the_name_of_the_environment_has_to_be_typed(deployed: Shipit) -> None:
    code, shown = deployed.converse(["destroy"], [("Type the name of the environment, production", "yes")])
    assert code == 2
    assert "not confirmed: nothing was removed" in settled(shown)
    assert images(deployed.folder) == ["shop"]
    code, shown = deployed.converse(["destroy"], [("Type the name of the environment, production", "production")])
    assert code == 0, shown
    assert images(deployed.folder) == []
    assert "removed memory what shipit made is gone" in settled(shown)


def test_where_nobody_can_be_asked_it_needs_the_environment_and_yes(deployed: Shipit) -> None:
    for arguments in ((), ("-e", "production"), ("--yes",)):
        done = deployed.run("destroy", *arguments)
        assert done.returncode == 2
        assert images(deployed.folder) == ["shop"], arguments
    assert done.stderr.splitlines()[-1] == "hint: name it: shipit destroy -e production --yes"
    both = deployed.run("destroy", "-e", "production", "--yes", "--volumes", "--keep-data")
    assert both.returncode == 2 and "--volumes and --keep-data can't be combined" in both.stderr
    done = deployed.run("destroy", "-e", "production", "--yes", "--volumes")
    assert done.returncode == 0, done.stderr
    assert images(deployed.folder) == []
    assert done.stdout.splitlines()[-1].startswith("done: 1 of 1 targets removed in ")


def test_it_and_run_need_no_variable_that_only_a_deploy_needs(deployed: Shipit) -> None:
    deployed.write(deploy__yml=(deployed.folder / "deploy.yml").read_text() + "env: {MODE: '${MODE}'}\n")
    assert "MODE is not set" in deployed.run("deploy").stderr
    done = deployed.run("run", "memory", "--", "echo", "hi")
    assert (done.returncode, done.stdout) == (0, "echo hi\n"), done.stderr
    assert done.stderr.splitlines() == ["warning: deploy.yml:6:14: env.MODE: MODE is not set"]
    done = deployed.run("destroy", "-e", "production", "--yes")
    assert done.returncode == 0, done.stderr
    assert images(deployed.folder) == []


def test_its_output_is_events(deployed: Shipit) -> None:
    code, events = deployed.events("destroy", "-e", "staging", "--yes")
    assert code == 0
    assert [event["state"] for event in events if event["event"] == "target_finished"] == ["removed"]
    [plan] = [event["plan"] for event in events if event["event"] == "plan_made"]
    assert [step["summary"] for step in plan["targets"][0]["steps"]] == ["remove shop"]
    assert events[0]["command"] == "destroy"


def test_the_words_of_other_tools_lead_to_it(shipit: Shipit) -> None:
    for word in ("rm", "down", "teardown"):
        assert shipit.run(word).stderr.splitlines()[-1] == "hint: use shipit destroy"
