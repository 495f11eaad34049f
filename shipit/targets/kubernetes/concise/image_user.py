"""The user that an image runs as: what its config says, and its Dockerfile before it is built. Pure.

Source: OCI image-spec 1.1, config.md, User; Dockerfile reference, USER and FROM; Kubernetes API reference, v1 PodSecurityContext `runAsNonRoot`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from shipit.targets.kubernetes.concise.security import SecurityConfig

if TYPE_CHECKING:
    from shipit.image.dockerfile.parse import Dockerfile

_HINT = "end the Dockerfile with USER 1000, or write security: {user: 1000}, or {root: true} to let it run as root"


def is_root(user: str) -> bool:
    """True when the user of an image's config is root: `USER`, `USER:GROUP`, or empty, as names or numbers."""
    name = user.partition(":")[0]
    return name in ("", "root") or (is_numbered(name) and not name.strip("0"))


def is_numbered(user: str) -> bool:
    """True for a number, which is all that the kubelet can tell from root."""
    name = user.partition(":")[0]
    return name.isascii() and name.isdecimal()


class _Stage(NamedTuple):
    base: str
    name: str
    user: str | None


def check_user(security: SecurityConfig, dockerfile: bytes, stage: str | None) -> tuple[str, str]:
    """The reason for which the kubelet will refuse an image, and a hint; both empty where it refuses nothing or the Dockerfile does not tell."""
    if security.root is not False or security.user is not None:
        return "", ""
    # Most commands read no Dockerfile.
    from shipit.image.dockerfile.parse import parse_dockerfile

    user = find_user(parse_dockerfile(dockerfile), stage)
    name = (user or "").partition(":")[0]
    if user is None or "$" in name:
        return "", ""
    if is_root(name):
        return "needs an image that does not run as root, and its Dockerfile sets no other user", _HINT
    if not is_numbered(name):
        what = f"needs the number of a user, and the Dockerfile has USER {name}, which the kubelet can't tell from root"
        return what, _HINT
    return "", ""


def find_user(dockerfile: Dockerfile, stage: str | None) -> str | None:
    """The last USER of a stage and those that it is built on; empty for scratch without one, None for the user of a base image."""
    stages = list(_stages(dockerfile))
    wanted = stages[-1].name if stages and stage is None else (stage or "").lower()
    index = next((place for place, own in reversed(list(enumerate(stages))) if wanted in (own.name, str(place))), None)
    while index is not None:
        own = stages[index]
        if own.user is not None:
            return own.user
        if own.base == "scratch":
            return ""
        index = next((place for place in range(index - 1, -1, -1) if stages[place].name == own.base), None)
    return None


def _stages(dockerfile: Dockerfile) -> Iterator[_Stage]:
    current: _Stage | None = None
    for number, instruction in enumerate(dockerfile.instructions):
        if instruction.keyword == "FROM":
            if current:
                yield current
            words = instruction.text.split()
            named = words[2] if len(words) == 3 and words[1].lower() == "as" else f"#{number}"
            current = _Stage(words[0].lower() if words else "", named.lower(), None)
        elif instruction.keyword == "USER" and current:
            current = current._replace(user=instruction.text.strip())
    if current:
        yield current
