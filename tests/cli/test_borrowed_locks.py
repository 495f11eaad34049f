"""A lock of another target, as programs: two machines without a common disk deploy to one app on Heroku."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.contract.test_memory import PLUGIN
from tests.shipit import PYTHON_DOCKERFILE, ROOT, SERVING_APP, Shipit
from tests.waits import wait_until

# Says when it begins and ends, and takes long enough for another one to begin meanwhile.
RELEASE = """\
import os, time
def say(text):
    with open(os.environ["SPANS"], "a") as file:
        file.write(text + "\\n")
say("begin")
time.sleep(1)
say("end")
"""


class Machines:
    """Two machines, each with a home and a folder of its own; both reach the place of `keeper`."""

    def __init__(self, folder: Path, heroku: HerokuStandIn, registry: EmbeddedRegistry) -> None:
        self.folder, self.heroku, self.registry = folder, heroku, registry
        self.spans = folder / "spans"
        self.spans.touch()
        self.each = [self._machine(name) for name in ("one", "two")]

    def _machine(self, name: str) -> Shipit:
        folder = self.folder / name
        folder.mkdir()
        shipit = Shipit(folder, self.folder / f"home-{name}")
        shipit.env |= {**self.heroku.variables(), "PYTHONPATH": f"{ROOT}:{PLUGIN}"}
        self.write(shipit, "0s", name)
        return shipit

    def write(self, shipit: Shipit, settle: str, version: str) -> None:
        text = f"""\
app: shop
image: {{repository: {self.registry.host}/shop, build: .}}
env: {{SPANS: {json.dumps(str(self.spans))}}}
release: [python, /release.py]
targets:
  heroku: {{app: shop-prod, settle: {settle}, timeout: 20m}}
  keeper: {{kind: memory, file: {self.folder / "keeper.json"}}}
"""
        shipit.write(
            deploy__yml=text,
            Dockerfile=PYTHON_DOCKERFILE.replace("COPY app.py /", "COPY app.py release.py /"),
            app__py=f"{SERVING_APP}# {version}\n",
            release__py=RELEASE,
        )


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    with HerokuStandIn(token="token-of-heroku") as heroku, EmbeddedRegistry() as registry:
        heroku.create_app("shop-prod")
        yield Machines(tmp_path, heroku, registry)


def test_two_machines_never_run_two_release_commands_at_once(machines: Machines) -> None:
    started = [shipit.start("deploy", "heroku", "--wait", "10m") for shipit in machines.each]
    ended = [(*process.communicate(timeout=300), process.returncode) for process in started]
    for out, err, code in ended:
        assert code == 0, out + err
        assert "takes the lock of keeper: its own place keeps none" in out + err
    assert machines.spans.read_text().split() == ["begin", "end"] * 2


def test_a_borrowed_lock_is_given_back_and_doctor_names_it(machines: Machines) -> None:
    one, two = machines.each
    machines.write(one, "10m", "one")
    first: subprocess.Popen[str] = one.start("deploy", "heroku", "--output", "json")
    try:
        wait_until("a release", lambda: machines.spans.read_text().split() == ["begin", "end"], within_s=120)
        held = two.run("deploy", "heroku")
        assert held.returncode == 1 and "heroku: it is locked by deploy " in held.stderr, held.stdout + held.stderr
        assert "hint: wait for it: --wait 10m; or, if it does not run any more: shipit unlock heroku" in held.stderr
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=120)
    finally:
        first.kill()
        first.communicate()
    assert two.run("unlock").stdout == "no target is locked\n"
    doctor = two.run("doctor", "heroku")
    [row] = [line for line in doctor.stdout.splitlines() if "lock of heroku" in line]
    assert row.endswith("a deploy locks it by the lock of file keeper.json, of the target keeper"), row
