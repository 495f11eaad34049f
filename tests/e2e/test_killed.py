"""A deploy, rollback or promotion to Heroku's stand-in and a real registry that a signal ends beside any of its writes; the next one completes it."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.request import Request, urlopen

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from tests.in_process import InProcess
from tests.sampled import sampled
from tests.servers.faults import FaultProxy
from tests.servers.registry import RegistryServer
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP

SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
# More writes than a deploy has.
NEVER = 10**6
# The tags, the record of the release and the runs beside it: every target is healthy, and an interrupted run may do the rest.
LAST_WRITES = 9
TEXT = """\
app: shop
image: {repository: HOST/killed/shop, build: .}
env: {VERSION: VERSION_OF_APP}
targets:
  hub: {kind: registry}
  heroku: {app: shop-prod, settle: 0s}
environments:
  staging:
    image: {repository: HOST/killed/shop-staging}
    targets: {hub: {}, heroku: {app: shop-staging}}
"""


class Ending:
    """Counts the writes of a program at several servers, and ends it by a signal when one of them has done the `last`."""

    def __init__(self) -> None:
        self.writes, self._last = 0, NEVER
        self._number = signal.SIGKILL
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def begin(self, last: int, number: signal.Signals, start: Callable[[], subprocess.Popen[str]]) -> None:
        with self._lock:
            self.writes, self._last, self._number = 0, last, number
            self._process = start()

    def end(self) -> tuple[int, str]:
        """The exit code of the program, and what it printed."""
        assert self._process
        said = "".join(self._process.communicate(timeout=120))
        code, self._process = self._process.returncode, None
        return code, said

    def done(self, line: str) -> None:
        if line.startswith(("GET ", "HEAD ")):
            return
        with self._lock:
            self.writes += 1
            if self.writes == self._last and self._process:
                self._process.send_signal(self._number)


class Shop:
    """The project, whose requests all pass through proxies that count."""

    def __init__(self, shipit: InProcess, heroku: HerokuStandIn, registry: str, ending: Ending) -> None:
        self._open = ExitStack()
        self.shipit, self.heroku, self.ending, self.version = shipit, heroku, ending, 0
        api, images, self.hub = (self._counted(host) for host in (heroku.host, heroku.registry.host, registry))
        shipit.env |= heroku.variables()
        shipit.env |= {"SHIPIT_HEROKU_API": f"http://{api}", "SHIPIT_HEROKU_REGISTRY": images}

    def _counted(self, host: str) -> str:
        proxy = FaultProxy(host)
        self._open.callback(proxy.stop)
        proxy.done = self.ending.done
        return proxy.host

    def close(self) -> None:
        self._open.close()

    def write(self) -> None:
        """Another version of the app, with another config var."""
        self.version += 1
        text = TEXT.replace("HOST", self.hub).replace("VERSION_OF_APP", f"v{self.version}")
        self.shipit.write(Dockerfile=PYTHON_DOCKERFILE, app__py=f"# v{self.version}\n{SERVING_APP}", deploy__yml=text)

    def deploy(self) -> None:
        self.run("deploy")

    def run(self, *words: str) -> None:
        done = self.shipit.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr

    def run_and_end(self, *words: str, last: int = NEVER, number: signal.Signals = signal.SIGKILL) -> tuple[int, str]:
        self.ending.begin(last, number, lambda: self.shipit.start(*words))
        return self.ending.end()

    def deploy_and_end(self, last: int = NEVER, number: signal.Signals = signal.SIGKILL) -> tuple[int, str]:
        self.write()
        return self.run_and_end("deploy", last=last, number=number)

    def running(self, app: str = "shop-prod", repository: str = "shop", *, is_copy: bool = False) -> tuple[str, Any]:
        """The config var and the files of what both places have. A copy has a tag of its content."""
        image = self.heroku.apps[app].formation["web"]["image"]
        files = json.loads(self.heroku.registry.blobs[image])["rootfs"]
        tag = f"sha-{image.removeprefix('sha256:')[:12]}" if is_copy else "latest"
        assert files == self._published(repository, tag)["rootfs"], "both places have the same files"
        return self.heroku.apps[app].config["VERSION"], files

    def check(self, case: object) -> None:
        """Both places have the version, released once, and nothing is left to do."""
        app = self.heroku.apps["shop-prod"]
        assert app.config["VERSION"] == f"v{self.version}", case
        released = [row for row in app.releases if row["description"].startswith("Deployed")]
        assert len(released) == self.version, f"{case}: {released}"
        running = self.heroku.registry.config_of("shop-prod/web", "latest")
        assert running and app.formation["web"]["image"] == self._digest("shop-prod/web"), case
        assert running["rootfs"] == self._published()["rootfs"], case
        plan = self.shipit.run("plan", "--exit-code")
        assert plan.returncode == 0, f"{case}: {plan.stdout}"

    def _digest(self, name: str) -> str:
        """The config digest of the latest image at Heroku's registry."""
        _, body = self.heroku.registry.manifests[name, self.heroku.registry.tags[name, "latest"]]
        return str(json.loads(body)["config"]["digest"])

    def _published(self, repository: str = "shop", tag: str = "latest") -> Mapping[str, Any]:
        """The config of an image in the registry."""
        manifest = self._fetch(f"{repository}/manifests/{tag}")
        return self._fetch(f"{repository}/blobs/{manifest['config']['digest']}")

    def _fetch(self, path: str) -> Mapping[str, Any]:
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        with urlopen(Request(f"http://{self.hub}/v2/killed/{path}", headers=accept), timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


@pytest.fixture
def shop(in_process: InProcess, registry_server: RegistryServer) -> Iterator[Shop]:
    with HerokuStandIn(token="token-of-heroku") as heroku:
        heroku.create_app("shop-prod")
        heroku.create_app("shop-staging")
        made = Shop(in_process, heroku, registry_server.host, Ending())
        yield made
        made.close()


def was_ended(code: int, number: signal.Signals, *, is_last: bool) -> bool:
    """Whether a run ended as a signal wants it. `is_last` is True beside its last writes, after which it may be done."""
    if number is signal.SIGKILL:
        return code == -number
    return code in (130, 143) or (is_last and code == 0)


@pytest.mark.sampled
def test_a_deploy_that_a_signal_ends_beside_any_write_is_completed_by_the_next(shop: Shop) -> None:
    shop.write()
    shop.deploy()
    code, said = shop.deploy_and_end()
    total = shop.ending.writes
    assert code == 0 and total > 12, f"{total} writes\n{said}"
    shop.check("without a signal")
    cases = [(write, number) for write in range(1, total + 1) for number in SIGNALS]
    for case in sampled(cases, 4, of="killed"):
        write, number = case
        code, said = shop.deploy_and_end(*case)
        assert was_ended(code, number, is_last=write > total - LAST_WRITES), f"{case} of {total}\n{said}"
        shop.deploy()
        shop.check(case)


@pytest.mark.sampled
def test_a_rollback_that_a_signal_ends_beside_any_write_is_completed_by_the_next(shop: Shop) -> None:
    shop.write()
    shop.deploy()
    first = shop.running()
    shop.write()
    shop.deploy()
    code, said = shop.run_and_end("rollback")
    total = shop.ending.writes
    assert code == 0 and shop.running() == first, f"{total} writes\n{said}"
    cases = [(write, number) for write in range(1, total + 1) for number in SIGNALS]
    for case in sampled(cases, 3, of="rollback"):
        write, number = case
        shop.write()
        shop.deploy()
        code, said = shop.run_and_end("rollback", last=write, number=number)
        assert was_ended(code, number, is_last=write >= total - 1), f"{case} of {total}\n{said}"
        if code != 0:
            shop.run("rollback")
        assert shop.running() == first, f"{case} of {total}\n{said}"


@pytest.mark.sampled
def test_a_promotion_that_a_signal_ends_beside_any_write_is_completed_by_the_next(shop: Shop) -> None:
    words = ("promote", "--from", "staging")
    shop.write()
    shop.run("deploy", "-e", "staging")
    code, said = shop.run_and_end(*words)
    total = shop.ending.writes
    assert code == 0 and total > 8, f"{total} writes\n{said}"
    cases = [(write, number) for write in range(1, total + 1) for number in SIGNALS]
    for case in sampled(cases, 2, of="promotion"):
        write, number = case
        shop.write()
        shop.run("deploy", "-e", "staging")
        code, said = shop.run_and_end(*words, last=write, number=number)
        assert was_ended(code, number, is_last=write >= total - 1), f"{case} of {total}\n{said}"
        shop.run(*words)
        assert shop.running(is_copy=True) == shop.running("shop-staging", "shop-staging"), f"{case} of {total}\n{said}"
