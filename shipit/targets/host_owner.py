"""Whose containers: the labels by which a kind that runs on Docker engines finds its own again. Pure."""

from __future__ import annotations

import json
from typing import NamedTuple

from shipit.printable import Name

LABEL = "dev.shipit"
APP, ENVIRONMENT, TARGET = f"{LABEL}.app", f"{LABEL}.environment", f"{LABEL}.target"
# Of what runs a service: its name, the hash of its settings, and the names of the variables with a value of deploy.yml.
SERVICE, SPEC, VARIABLES = f"{LABEL}.service", f"{LABEL}.spec", f"{LABEL}.variables"
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

    @property
    def labels(self) -> dict[str, str]:
        return {APP: self.app, ENVIRONMENT: self.environment, TARGET: self.target}

    @property
    def filters(self) -> str:
        """The filter of the engine's lists for what has these labels."""
        return json.dumps({"label": [f"{name}={value}" for name, value in self.labels.items()]})
