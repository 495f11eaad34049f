"""What builds and tests the project is pinned: images by digest, machines by date, orbs by version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
PINNED = re.compile(r"[a-z0-9./_-]+:[A-Za-z0-9._-]+@sha256:[0-9a-f]{64}")
DATED = re.compile(r"[a-z0-9-]+:20[0-9]{2}\.[0-9]{2}\.[0-9]+")


def test_every_base_of_the_dockerfile_is_pinned_by_digest() -> None:
    text = (ROOT / "Dockerfile").read_text()
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
    """A container's image by digest. A machine's image has none: its dated tag is frozen, `current` is not."""
    jobs = yaml.safe_load((ROOT / ".circleci/config.yml").read_text())["jobs"]
    assert jobs
    for name, job in jobs.items():
        images = list(_container_images(job))
        machine = (job.get("machine") or {}).get("image")
        assert images or machine, f"{name} names no image"
        assert machine is None or DATED.fullmatch(machine), f"{name} runs on {machine}, which is not dated"
        for image in images:
            assert PINNED.fullmatch(image), f"{name} runs in {image}, which is not pinned by digest"


def _container_images(job: Any) -> Iterator[str]:
    for container in job.get("docker", ()):
        yield container["image"]


def test_every_orb_of_ci_is_pinned() -> None:
    orbs = yaml.safe_load((ROOT / ".circleci/config.yml").read_text()).get("orbs", {})
    for name, orb in orbs.items():
        assert re.fullmatch(r"[a-z0-9/-]+@[0-9]+\.[0-9]+\.[0-9]+", orb), f"{name} is {orb}"
