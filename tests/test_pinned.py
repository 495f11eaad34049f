"""What builds and tests the project is pinned: images by digest, machines by date, orbs by version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PINNED = re.compile(r"[a-z0-9./_-]+:[A-Za-z0-9._-]+@sha256:[0-9a-f]{64}")
DATED = re.compile(r"[a-z0-9-]+:20[0-9]{2}\.[0-9]{2}\.[0-9]+")
# Options of `docker run` that stand without a value.
SWITCHES = {"--rm", "--privileged"}


@pytest.mark.parametrize("file", ["Dockerfile", ".circleci/Dockerfile"])
def test_every_base_image_is_pinned_by_digest(file: str) -> None:
    text = (ROOT / file).read_text()
    arguments = dict(re.findall(r"(?m)^ARG ([A-Z_]+)=(\S+)", text))
    stages = set(re.findall(r"(?mi)^FROM .* AS (\S+)", text))
    bases = [
        re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], base)
        for base in re.findall(r"(?m)^FROM (?:--\S+ )*(\S+)", text)
    ]
    assert bases
    for base in bases:
        assert base in stages or PINNED.fullmatch(base), f"{base} is not NAME:TAG@sha256:..."


def test_every_image_of_ci_is_pinned() -> None:
    """A container's image is pinned by digest. A machine's image has none: its dated tag is frozen, `current` is not."""
    config = _ci_config()
    for name, job in config["jobs"].items():
        images = list(_container_images(job))
        machine = (job.get("machine") or {}).get("image")
        assert images, f"{name} runs in no container"
        assert machine is None or DATED.fullmatch(machine), f"{name} runs on {machine}, which is not dated"
        for image in images:
            assert PINNED.fullmatch(image), f"{name} runs in {image}, which is not pinned by digest"


def test_the_tests_run_in_the_container_that_ci_builds() -> None:
    (job,) = _ci_config()["jobs"].values()
    commands = [step["run"]["command"] for step in job["steps"] if "run" in step]
    outside = [command for command in commands if "make test" in command and "docker run" not in command]
    assert outside == []
    assert [_image_of_run(command) for command in commands if "docker run" in command] == ["shipit-ci"]
    assert "docker build --tag shipit-ci .circleci" in commands, "tests/test_pinned.py looks at its Dockerfile"


def _ci_config() -> Any:
    return yaml.safe_load((ROOT / ".circleci/config.yml").read_text())


def _container_images(job: Any) -> Iterator[str]:
    """The images of a job's containers: those of its executor, and those that its steps run, the ones built here apart."""
    for container in job.get("docker", ()):
        yield container["image"]
    for step in job["steps"]:
        command = step.get("run", {}).get("command", "") if isinstance(step, dict) else ""
        if "docker run" in command and _image_of_run(command) == "shipit-ci":
            yield from re.findall(r"(?m)^FROM (\S+)", (ROOT / ".circleci/Dockerfile").read_text())
        elif "docker run" in command:
            yield _image_of_run(command)


def _image_of_run(command: str) -> str:
    """The image in a command line with `docker run`: its first word that is neither an option nor an option's value."""
    words = iter(command.partition("docker run")[2].split())
    for word in words:
        if not word.startswith("-"):
            return word
        if word not in SWITCHES and "=" not in word:
            next(words)
    raise AssertionError(f"names no image: {command}")


def test_every_orb_of_ci_is_pinned() -> None:
    for name, orb in _ci_config().get("orbs", {}).items():
        assert re.fullmatch(r"[a-z0-9/-]+@[0-9]+\.[0-9]+\.[0-9]+", orb), f"{name} is {orb}"
