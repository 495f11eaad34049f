"""An image as an engine describes it. Pure.

Source: Docker Engine API, GET /images/{name}/json and GET /images/json.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from shipit.digest import Digest, parse_digest
from shipit.platforms import Platform, normal_platform


class EngineImage(NamedTuple):
    """An image in an engine. `repo_digests` are its manifest digests in registries, `names` its `repository:tag`s.

    `id` is its config digest or, in containerd's image store, the digest of its manifest or index. `layers` are the
    diff_ids.
    """

    id: Digest
    platform: Platform
    repo_digests: tuple[Digest, ...] = ()
    names: tuple[str, ...] = ()
    layers: tuple[Digest, ...] = ()


def parse_image(answer: Any) -> EngineImage | None:
    """The answer of GET /images/{name}/json, or an item of GET /images/json, which lacks platform and layers.

    None when it has no valid id.
    """
    match answer:
        case {"Id": str(text)} if (identity := parse_digest(text)) is not None:
            parts = (answer.get(key) for key in ("Os", "Architecture", "Variant"))
            platform = normal_platform(*(part if isinstance(part, str) else "" for part in parts))
            rootfs = answer.get("RootFS")
            return EngineImage(
                identity,
                platform,
                _digests(name.rpartition("@")[2] for name in _texts(answer.get("RepoDigests"))),
                _texts(answer.get("RepoTags")),
                _digests(_texts(rootfs.get("Layers") if isinstance(rootfs, dict) else None)),
            )
    return None


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _digests(texts: Iterable[str]) -> tuple[Digest, ...]:
    return tuple(digest for text in texts if (digest := parse_digest(text)))
