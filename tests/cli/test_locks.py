"""Locks of this machine, as programs: for places that keep none, such as Heroku."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP, Shipit
from tests.waits import wait_until

TEXT = "app: shop\nimage: {build: .}\ntargets:\n  heroku: {app: shop-prod, settle: SETTLE, timeout: 20m}\n"


@pytest.fixture
def heroku(shipit: Shipit, shop_prod: HerokuStandIn) -> HerokuStandIn:
    shipit.write(deploy__yml=TEXT.replace("SETTLE", "10m"), Dockerfile=PYTHON_DOCKERFILE, app__py=SERVING_APP)
    return shop_prod


@pytest.fixture
def first(shipit: Shipit, heroku: HerokuStandIn) -> Iterator[subprocess.Popen[str]]:
    """A deploy that holds the lock for long."""
    process = shipit.start("deploy", "--output", "json")
    releases = len(heroku.apps["shop-prod"].releases)
    try:
        wait_until("a release", lambda: len(heroku.apps["shop-prod"].releases) > releases, within_s=120)
        shipit.write(deploy__yml=TEXT.replace("SETTLE", "0s"), app__py=SERVING_APP + "# second\n")
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_second_deploy_of_this_folder_fails_at_once_and_a_kill_frees_the_lock(
    shipit: Shipit, heroku: HerokuStandIn, first: subprocess.Popen[str]
) -> None:
    releases = len(heroku.apps["shop-prod"].releases)
    held = shipit.run("deploy")
    assert held.returncode == 1, held.stdout + held.stderr
    assert "heroku: it is locked by deploy " in held.stderr and "hint: wait for it: --wait 10m" in held.stderr
    waited = shipit.run("deploy", "--wait", "2s")
    assert waited.returncode == 1 and "heroku: waiting: it is locked by deploy" in waited.stderr
    for command in (["scale", "heroku/web=2"], ["restart"], ["rollback"], ["destroy", "-e", "production"]):
        late = shipit.run(*command, "--yes", "--wait", "1s")
        assert late.returncode == 1 and "heroku: it is locked by deploy " in late.stderr, late.stdout + late.stderr
        assert "heroku: waiting: it is locked by deploy" in late.stderr
    unlocked = shipit.run("unlock", "--yes")
    assert unlocked.returncode == 1 and "locked by a process of this machine" in unlocked.stderr
    assert len(heroku.apps["shop-prod"].releases) == releases
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = shipit.run("deploy")
    assert done.returncode == 0, done.stdout + done.stderr
    assert shipit.run("unlock").stdout == "no target is locked\n"


def test_doctor_says_which_lock_keeps_deploys_apart(shipit: Shipit, heroku: HerokuStandIn) -> None:
    done = shipit.run("doctor")
    [row] = [line for line in done.stdout.splitlines() if "lock of heroku" in line]
    assert row.endswith(
        "the place keeps no lock: deploys from this folder exclude each other, others are noticed by what they release"
    )


def test_state_none_keeps_no_lock(shipit: Shipit, heroku: HerokuStandIn) -> None:
    shipit.write(deploy__yml="state: none\n" + TEXT.replace("SETTLE", "0s"))
    assert shipit.run("deploy").returncode == 0
    assert not (shipit.folder / ".shipit").exists()
    [row] = [line for line in shipit.run("doctor").stdout.splitlines() if "lock of heroku" in line]
    assert row.endswith("the place keeps no lock: with state: none, nothing keeps two deploys apart")


def test_unlock_as_json_prints_no_text_on_standard_output(shipit: Shipit, heroku: HerokuStandIn) -> None:
    done = shipit.run("unlock", "--output", "json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no target is locked\n")


@pytest.mark.parametrize("text", ["soon", "0s", "10"])
def test_a_wait_is_a_duration(shipit: Shipit, heroku: HerokuStandIn, text: str) -> None:
    done = shipit.run("deploy", "--wait", text)
    assert done.returncode == 2 and "--wait should be" in done.stderr
