"""`make demo`: the main job on stand-ins, three times: everything moves, one small layer moves, nothing moves."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from shipit.clock import Clock
from shipit.config.load import load_project
from shipit.config.process_environment import ProcessEnvironment, read_process_environment
from shipit.docker.address import find_engine
from shipit.docker.client import Engine
from shipit.envelope import Envelope
from shipit.errors import ShipitError
from shipit.events import Event, StepDone, TargetFinished, Transferred
from shipit.http.transport import Transport
from shipit.image.store.content_store import ContentStore
from shipit.pipeline.flow import deploy
from shipit.pipeline.run import Run
from shipit.reference import parse_reference
from shipit.registry.registries import Registries
from shipit.rehearsal.dyno import ContainerRunner, ProcessRunner, Runner
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.report.plain import PlainReporter
from shipit.targets.kinds import KindModels, create_target

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "hello"
BASE = "docker.io/library/python:3.12-alpine"
APP = "hello-prod"
DEPLOY = """\
app: hello
image: {registry}/hello
targets:
  hub: {{settle: 0s}}
  heroku: {{app: hello-prod, settle: 1s}}
"""


def main() -> int:
    """Run the demo in a temporary folder; the exit code."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="shipit-demo-") as name:
        folder = Path(name)
        environ = read_process_environment()._replace(cwd=folder / "hello")
        shutil.copytree(EXAMPLE, folder / "hello", ignore=shutil.ignore_patterns("__pycache__"))
        has_base = _base_can_be_pulled(environ)
        runner = _runner(environ, has_base, folder / "hello")
        with EmbeddedRegistry() as registry, HerokuStandIn(token="demo-token", runner=runner) as heroku:
            heroku.create_app(APP)
            (folder / "hello" / "deploy.yml").write_text(DEPLOY.format(registry=registry.host))
            environ = environ._replace(variables={**environ.variables, **heroku.variables()})
            _say(f"a registry listens on {registry.host}, and a Heroku on {heroku.host}; its dyno is a {runner.kind}")
            times = _three_deploys(environ, heroku, folder / "hello")
        if isinstance(runner, ContainerRunner):
            runner.close()
    _table(times)
    _say(f"done in {time.monotonic() - started:.1f} s; it ran in a temporary folder, which is removed")
    return 0 if all(code == 0 for _, code, _, _ in times) else 1


Row = tuple[str, int, float, list[Event]]


def _three_deploys(environ: ProcessEnvironment, heroku: HerokuStandIn, folder: Path) -> list[Row]:
    rows = []
    for title, change in (
        ("1. the first deploy: everything moves", None),
        ("2. one file changes: one small layer moves", "this is version two\n"),
        ("3. nothing changes: nothing moves", None),
    ):
        _say(f"\n{title}")
        if change:
            (folder / "message.txt").write_text(change)
        events: list[Event] = []
        before = time.monotonic()
        code = _deploy(environ, folder, events.append)
        rows.append((title, code, time.monotonic() - before, events))
        if code == 0:
            url = f"http://127.0.0.1:{heroku.apps[APP].dynos[0].port}/"
            with urllib.request.urlopen(url, timeout=5) as answer:
                _say(f"GET {url} -> {answer.read().decode().strip()}")
    return rows


def _deploy(environ: ProcessEnvironment, folder: Path, note: Callable[[Event], None]) -> int:
    reporter = PlainReporter(err=sys.stdout)

    def tell(envelope: Envelope) -> None:
        note(envelope.event)
        reporter(envelope)

    try:
        project = load_project(folder / "deploy.yml", environ, KindModels())
        targets = [create_target(name, config, project, environ) for name, config in project.targets.items()]
        with Run(project, targets, environ, Clock(), tell) as run:
            return deploy(run)
    except ShipitError as error:
        _say(error.render())
        return error.exit_code


def _base_can_be_pulled(environ: ProcessEnvironment) -> bool:
    """Whether the example's base image can be had; the reason is said when it can't."""
    host = (environ.get("SHIPIT_MIRRORS") or "").partition("docker.io=")[2].split(",")[0] or "registry-1.docker.io"
    try:
        if host == "registry-1.docker.io":
            Transport(environ).send("GET", f"https://{host}/v2/", read_s=4)
        store = ContentStore(environ.cache_dir)
        registries = Registries(environ, Clock(), lambda event: None, store)
        registries.resolve(parse_reference(BASE), "linux/amd64")
        registries.close()
    except ShipitError as error:
        _say(f"the base image {BASE} can't be pulled ({error}): this rehearsal builds on an empty base")
        return False
    return True


def _runner(environ: ProcessEnvironment, has_base: bool, folder: Path) -> Runner:
    """Containers where an engine and the base are there; else processes, on an empty base where there is no other."""
    address = find_engine(environ.variables, environ.home, _say)
    if has_base and address.host.startswith("unix://") and Engine(address, environ.variables).is_reachable():
        return ContainerRunner(address.host)
    if not has_base:
        dockerfile = folder / "Dockerfile"
        lines = dockerfile.read_text().splitlines()
        dockerfile.write_text("\n".join("FROM scratch" if line.startswith("FROM ") else line for line in lines) + "\n")
    return ProcessRunner()


def _table(rows: list[Row]) -> None:
    _say("\nwhere the time went, in seconds, and what moved")
    _say(f"{'deploy':<8}{'all':>7}{'build':>8}{'push':>8}{'release':>9}{'verify':>8}  moved")
    for index, (_, _, elapsed, events) in enumerate(rows, 1):
        done = [event for event in events if isinstance(event, StepDone)]
        build = sum(event.elapsed_s for event in done if event.step.action == "build")
        push = max((event.elapsed_s for event in done if event.step.action == "push"), default=0.0)
        release = sum(event.elapsed_s for event in done if event.step.target == "heroku")
        finished = max((event.elapsed_s for event in events if isinstance(event, TargetFinished)), default=0.0)
        moved = [event for event in events if isinstance(event, Transferred)]
        size, blobs = sum(event.sent_bytes for event in moved), sum(event.sent for event in moved)
        what = f"{blobs} blobs, {size:,} bytes to {len(moved)} registries" if moved else "nothing"
        _say(
            f"{index:<8}{elapsed:>7.2f}{build:>8.2f}{push:>8.2f}{release:>9.2f}{max(0.0, finished - release):>8.2f}  {what}"
        )


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
