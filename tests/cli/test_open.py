"""`shipit open`: the URLs of what runs, printed and opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.cli.commands.open import web_urls
from shipit.rehearsal.heroku import HerokuStandIn
from shipit.release import Place, Status
from tests.shipit import PYTHON_DOCKERFILE, SERVING_APP, Shipit, unwrapped


@pytest.fixture
def heroku(shipit: Shipit, heroku: HerokuStandIn) -> HerokuStandIn:
    """An app that runs one web dyno once it is deployed."""
    shipit.write(
        deploy__yml="app: shop\nimage: {build: .}\ntargets: {heroku: {app: shop-prod, settle: 0s}}\n",
        Dockerfile=PYTHON_DOCKERFILE,
        app__py=SERVING_APP,
    )
    return heroku


@pytest.fixture
def browser(shipit: Shipit, tmp_path: Path) -> Path:
    """The file in which a program that stands for a browser writes the URL that it is started with."""
    program, opened = tmp_path / "browser", tmp_path / "opened"
    program.write_text(f'#!/bin/sh\necho "$@" > {opened}\n')
    program.chmod(0o755)
    shipit.env |= {"BROWSER": str(program)}
    return opened


def test_urls_are_printed_and_the_first_is_opened_at_a_terminal_only(
    shipit: Shipit, heroku: HerokuStandIn, browser: Path
) -> None:
    none = shipit.run("open")
    assert none.returncode == 1
    assert "there is no URL to open" in none.stderr and "hint: shipit status shows what runs" in none.stderr
    deployed = shipit.run("deploy")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    done = shipit.run("open")
    assert done.returncode == 0, done.stderr
    [url] = done.stdout.splitlines()
    assert url.startswith("http://127.0.0.1:") and url in deployed.stdout
    assert not browser.exists(), "standard output is not a terminal"
    _, [status] = shipit.events("open", "heroku")
    assert status["targets"][0]["urls"] == [url]
    code, shown = shipit.converse(["open", "heroku"], [])
    assert code == 0, shown
    assert unwrapped(shown) == url
    assert browser.read_text() == f"{url}\n"


def test_in_ci_nothing_is_opened(shipit: Shipit, heroku: HerokuStandIn, browser: Path) -> None:
    assert shipit.run("deploy").returncode == 0
    shipit.env["CI"] = "true"
    code, shown = shipit.converse(["open"], [])
    assert code == 0 and shown.startswith("http://")
    assert not browser.exists()


def test_a_browser_that_can_not_be_started_is_said(shipit: Shipit, heroku: HerokuStandIn) -> None:
    assert shipit.run("deploy").returncode == 0
    shipit.env["BROWSER"] = "/bin/false"
    code, shown = shipit.converse(["open"], [])
    assert code == 0
    assert "no browser could be started: open the URL by hand" in shown


@pytest.mark.parametrize(
    ("url", "is_opened"),
    [
        ("https://shop.example.com/", True),
        ("http://127.0.0.1:8000/", True),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("--new-window", False),
        ("https://shop.example.com/\x1b[2J", False),
        ("https://[x/", False),
        ("", False),
    ],
)
def test_only_web_urls_are_opened(url: str, is_opened: bool) -> None:
    assert web_urls([Status("web", Place("k", "p"), urls=(url, url))]) == ([url] if is_opened else [])
