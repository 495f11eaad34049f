"""A registry in a first deploy.yml: drafted when nothing else is, and the source of the account to push to."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from shipit.config.process_environment import ProcessEnvironment
from shipit.docker.config_file import HUB_KEY
from shipit.drafts.files import ProjectFacts
from shipit.drafts.kind import Choice, Detection, Folder, KindDraft, TargetDraft
from shipit.drafts.reading import read_json
from shipit.drafts.text import yaml_name
from shipit.drafts.values import as_map, as_text

# The keys under which Docker's config file holds the login of Docker Hub.
_DOCKER_HUB = (HUB_KEY, "index.docker.io", "docker.io")


def detect(folder: Folder) -> Detection:
    return Detection(owner=docker_hub_user(folder.environ))


def docker_hub_user(environ: ProcessEnvironment) -> str:
    """The user of the Docker Hub login in Docker's config file; empty when a credential helper holds it, or nobody."""
    folder = environ.get("DOCKER_CONFIG")
    auths = as_map(read_json((Path(folder) if folder else environ.home / ".docker") / "config.json").get("auths"))
    for host in _DOCKER_HUB:
        try:
            user = base64.b64decode(as_text(as_map(auths.get(host)).get("auth"))).decode().partition(":")[0]
        except ValueError:
            continue
        if re.fullmatch(r"[a-z0-9]{4,30}", user):
            return user
    return ""


def render(project: ProjectFacts, found: Detection, choice: Choice) -> TargetDraft:
    names = ", ".join(map(yaml_name, project.images))
    several = len(project.images) > 1
    return TargetDraft((f"  hub: {{images: [{names}]}}" if several else "  hub:    # pushes the image",))


DRAFT = KindDraft(
    "hub",
    detect,
    choose=lambda project, found: None,
    question=lambda project, found: None,
    render=render,
    runs_app=False,
)
