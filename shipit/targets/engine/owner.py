"""Whose containers: the labels by which a kind that runs on Docker engines finds its own again. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from shipit.digest import Digest
from shipit.printable import Name

LABEL = "dev.shipit"
APP, ENVIRONMENT, TARGET = f"{LABEL}.app", f"{LABEL}.environment", f"{LABEL}.target"
# Of what runs a service: its name, the hash of its settings, and the names of the variables with a value of deploy.yml.
SERVICE, SPEC, VARIABLES = f"{LABEL}.service", f"{LABEL}.spec", f"{LABEL}.variables"
# The pinned image of a container that runs by the id of an image, and this id.
IMAGE, IMAGE_ID = f"{LABEL}.image", f"{LABEL}.image-id"
# The number of a container among those of its service; of one that runs a one-off command, the service that it is like.
NUMBER, RUN = f"{LABEL}.number", f"{LABEL}.run"
# Of a container with the restart policy on-failure: the policy, which it does not have while it is stopped.
RESTART = f"{LABEL}.restart"
# Of a one-off command whose shipit waits for its end, and removes its container.
ATTACHED = f"{LABEL}.attached"
# Of a container that serves while another one restarts: the id of that one.
BESIDE = f"{LABEL}.beside"
# The run that created a container, the commit of what it released, and who started it. They are no part of the hash.
RELEASE, COMMIT, BY = f"{LABEL}.release", f"{LABEL}.commit", f"{LABEL}.by"
ORIGIN = (RELEASE, COMMIT, BY)
# The names of the secrets that a container has as files of the folder.
FILES, SECRETS_FOLDER = f"{LABEL}.secret-files", "/run/secrets"
# Of a kept file that a rollback starts: the images that it names, separated by spaces.
IMAGES = f"{LABEL}.images"
# A label of the volumes that hold records of releases and the lock.
RECORD, LOCK = f"{LABEL}.record", f"{LABEL}.lock"


class Owner(NamedTuple):
    """Whose containers: an app, an environment and a target of deploy.yml."""

    app: Name
    environment: Name
    target: Name

    @property
    def prefix(self) -> str:
        """The beginning of the names of containers, and the name of the network."""
        return "-".join(part for part in (self.app, self.environment) if part)

    def image_name(self, image: str, config_digest: Digest) -> str:
        """The name on a host of an image that is sent to it: one for each content."""
        return f"{self._images}{_component(image)}:{config_digest.short}"

    def is_sent_image(self, name: str) -> bool:
        """True for such a name, of any image of this app and environment."""
        return name.startswith(self._images) and "/" not in name.removeprefix(self._images)

    @property
    def _images(self) -> str:
        """The beginning of the names. `localhost` names no registry."""
        return "".join(f"{_component(part)}/" for part in ("localhost", self.app, self.environment) if part)

    @property
    def labels(self) -> dict[str, str]:
        return {APP: self.app, ENVIRONMENT: self.environment, TARGET: self.target}

    def owns(self, labels: Mapping[str, str]) -> bool:
        """True for labels that have these three. Anybody may have copied them."""
        return all(labels.get(name) == value for name, value in self.labels.items())

    @property
    def app_filters(self) -> str:
        """The filter for what belongs to any target of the app and environment."""
        labels = {name: value for name, value in self.labels.items() if name != TARGET}
        return json.dumps({"label": [f"{name}={value}" for name, value in labels.items()]})

    @property
    def filters(self) -> str:
        """The filter of the engine's lists for what has these labels."""
        return json.dumps({"label": [f"{name}={value}" for name, value in self.labels.items()]})


def origin_labels(run: str, commit: str, by: str) -> dict[str, str]:
    """The labels of a container for what is known of its origin; it is the same container with others."""
    return {name: value for name, value in zip(ORIGIN, (run, commit, by), strict=True) if value}


def _component(text: str) -> str:
    """Text as a part of the name of an image."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"
