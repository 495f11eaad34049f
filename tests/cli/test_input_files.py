"""Every file that a command reads, as something that is no file: told at once, whatever names it. And a deploy.yml from a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from tests.sampled import sampled
from tests.shipit import Shipit
from tests.waits import SOON_S

HEAD = "app: hello\nimage: user/hello\n"


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_folder(path: Path) -> None:
    path.mkdir()


def a_large_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(5 * 1024**3)


KINDS: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (a_pipe, "it is a pipe, and should be a regular file"),
    "device": (a_device, "it is a device, and should be a regular file"),
    "folder": (a_folder, "Is a directory"),
    "large": (a_large_file, "it should be at most "),
}
# Where the file `odd` is named -> the deploy.yml, and the command that reads it.
PLACES = {
    "deploy.yml": (None, ["validate"]),
    "include": (f"include: odd\n{HEAD}", ["validate"]),
    "dotenv": (f"dotenv: odd\n{HEAD}", ["validate"]),
    "readme": (f"{HEAD}targets: {{hub: {{readme: odd}}}}\n", ["validate"]),
    "manifest": (f"{HEAD}targets: {{k8s: {{manifests: [odd]}}}}\n", ["validate"]),
    "dockerfile": ("app: hello\nimage: {repository: user/hello, build: {dockerfile: odd}}\n", ["build"]),
    "ignore file": (HEAD, ["build"]),
    "ignore file of the Dockerfile": (HEAD, ["build"]),
    "build secret": ("app: hello\nimage: {repository: user/hello, build: {secrets: {npmrc: odd}}}\n", ["build"]),
    "secret": (f"{HEAD}secrets: {{TOKEN: {{file: odd}}}}\ntargets: {{hub: }}\n", ["plan"]),
}
NAMES = {
    "deploy.yml": "deploy.yml",
    "ignore file": ".dockerignore",
    "ignore file of the Dockerfile": "Dockerfile.dockerignore",
}


@pytest.mark.sampled
@pytest.mark.parametrize(("place", "kind"), sampled(list(product(PLACES, KINDS)), 14, of="files"))
def test_what_is_no_regular_file_is_told_at_once_wherever_it_is_named(shipit: Shipit, place: str, kind: str) -> None:
    text, command = PLACES[place]
    make, reason = KINDS[kind]
    shipit.write(Dockerfile="FROM scratch\nCOPY a /\n", a="a")
    if text:
        shipit.write(deploy__yml=text)
    make(shipit.folder / NAMES.get(place, "odd"))
    if (place, kind) == ("deploy.yml", "folder"):
        reason = "there is no deploy.yml here or above"
    if (place, kind) == ("manifest", "folder"):
        reason = "odd holds no YAML file"
    started = time.monotonic()
    done = shipit.run(*command, timeout_s=120)
    assert done.returncode in (1, 2), done.stdout + done.stderr
    assert reason in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and "internal error" not in done.stderr
    assert time.monotonic() - started < SOON_S


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize(
    "place", ["home/.docker/config.json", "home/.config/containers/auth.json", "home/.kube/config", "home/.netrc"]
)
def test_files_of_the_user_that_are_none_are_told_or_passed_over(shipit: Shipit, place: str, kind: str) -> None:
    shipit.write(deploy__yml=f"{HEAD}targets: {{k8s: }}\n", Dockerfile="FROM scratch\nCOPY a /\n", a="a")
    shipit.env["HOME"] = str(shipit.folder / "home")
    (shipit.folder / place).parent.mkdir(parents=True)
    KINDS[kind][0](shipit.folder / place)
    started = time.monotonic()
    done = shipit.run("status", timeout_s=120)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr and "internal error" not in done.stderr
    assert time.monotonic() - started < SOON_S


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_a_file_may_come_from_standard_input(shipit: Shipit, name: str) -> None:
    shipit.write(Dockerfile="FROM scratch\nCOPY a /\n", a="a", base__yml="env: {A: x}\n")
    done = shipit.run("validate", "-f", name, input_text=f"include: base.yml\n{HEAD}environments: {{qa: {{}}}}\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "standard input is valid: 1 image, 0 targets, environments qa\n"
    assert shipit.run("build", "-f", name, input_text=HEAD).returncode == 0
    wrong = shipit.run("validate", "-f", name, input_text=f"{HEAD}nonsense: 1\n")
    assert wrong.stderr.startswith("standard input:3:1: nonsense: unknown key"), wrong.stderr
    doctor = shipit.run("doctor", "-f", name, input_text=HEAD)
    assert "standard input is valid" in doctor.stdout, doctor.stdout + doctor.stderr
    fixed = shipit.run("validate", "--fix", "-f", name, input_text=HEAD)
    assert fixed.returncode == 2 and "should be a file that can be written" in fixed.stderr


def test_a_file_may_come_from_a_redirection_a_process_substitution_and_a_named_pipe(shipit: Shipit) -> None:
    shipit.write(text=f"{HEAD}env: {{A: x}}\n", Dockerfile="FROM scratch\n")
    os.mkfifo(shipit.folder / "pipe")
    program = f"{sys.executable} -m shipit validate"
    for command, shown in (
        (f"{program} -f <(cat text)", "/dev/fd/"),
        (f"{program} -f /dev/stdin < text", "standard input is valid"),
        (f"cat text > pipe & {program} -f pipe", "pipe is valid"),
    ):
        done = subprocess.run(
            ["bash", "-c", command], cwd=shipit.folder, env=shipit.env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0 and shown in done.stdout, done.stdout + done.stderr


def test_what_is_piped_in_is_bounded(shipit: Shipit) -> None:
    done = subprocess.run(
        ["bash", "-c", f"yes | {sys.executable} -m shipit validate -f -"],
        cwd=shipit.folder,
        env=shipit.measured(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2 and "at most 1,048,576 bytes" in done.stderr, done.stderr
    device = shipit.run("validate", "-f", "/dev/zero", timeout_s=120)
    assert device.returncode == 2 and "it is a device, and should be a regular file" in device.stderr
    empty = shipit.run("validate", "-f", "-")
    assert empty.returncode == 2 and "the file is empty" in empty.stderr


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_certificates_that_are_no_file_are_told_at_once(shipit: Shipit, kind: str) -> None:
    """With a proxy and without: OpenSSL would wait for ever."""
    make, reason = KINDS[kind]
    make(shipit.folder / "bundle")
    shipit.env["SSL_CERT_FILE"] = str(shipit.folder / "bundle")
    shipit.write(
        deploy__yml="app: hello\nimage: registry.example/hello\ntargets: {hub: }\n",
        Dockerfile="FROM scratch\nCOPY a /\n",
        a="a",
    )
    for variables in ({}, {"HTTPS_PROXY": "http://127.0.0.1:9"}):
        shipit.env |= variables
        done = shipit.run("plan", timeout_s=120)
        assert done.returncode in (1, 2) and reason in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
