"""An app as observed, in plain values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """One process type: how many dynos, of which size, of which config digest; None where that is not known."""

    quantity: int
    size: str
    image: str | None


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """`is_eligible` is whether the app can be rolled back to it."""

    id: str
    version: int
    status: str
    description: str = ""
    output_url: str | None = None
    is_eligible: bool = True


@dataclass(frozen=True, slots=True)
class DynoFacts:
    name: str
    process: str
    state: str
    version: int


@dataclass(frozen=True)
class HerokuObserved:
    """`config_marks`: name of a config var -> keyed hash of its value. `releases` newest first.

    `config` holds the values, which no plan or event may.
    """

    app: str
    stack: str
    generation: str
    maintenance: bool
    web_url: str
    formation: Mapping[str, ProcessFacts]
    config_marks: Mapping[str, str]
    releases: tuple[ReleaseFacts, ...]
    dynos: tuple[DynoFacts, ...]
    id: str = ""
    config: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def version(self) -> int:
        """The newest release's version; 0 when there is none."""
        return max((release.version for release in self.releases), default=0)


def parse_release(body: Mapping[str, Any]) -> ReleaseFacts:
    return ReleaseFacts(
        str(body["id"]),
        int(body["version"]),
        str(body.get("status", "succeeded")),
        str(body.get("description") or ""),
        body.get("output_stream_url"),
        bool(body.get("eligible_for_rollback", True)),
    )


def parse_process(body: Mapping[str, Any]) -> ProcessFacts:
    image = body.get("docker_image")
    digest = image.get("id") if isinstance(image, Mapping) else image
    known = digest if isinstance(digest, str) and digest.startswith("sha256:") else None
    return ProcessFacts(int(body.get("quantity", 0)), str(body.get("size", "")), known)


def parse_dyno(body: Mapping[str, Any]) -> DynoFacts:
    return DynoFacts(
        str(body["name"]), str(body["type"]), str(body["state"]), int((body.get("release") or {}).get("version", 0))
    )
