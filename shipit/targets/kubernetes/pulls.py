"""Why an image can't be pulled, from what the kubelet says. Pure.

Source: the messages of containerd and CRI-O for a registry's 401, 403 and 404, and for an invalid reference.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from shipit.targets.kubernetes.one_line import one_line

# In the order in which they are looked for: a registry often answers 401 where it has no such repository.
_CAUSES = (
    (
        ("invalid reference format", "couldn't parse image", "failed to parse reference"),
        "its name is invalid",
        "correct the image's name in the manifest",
    ),
    (
        ("no match for platform", "no matching manifest for"),
        "it is not built for the platform of this node",
        "name the platform under build: {platforms: [linux/arm64]}",
    ),
    (
        ("401 unauthorized", "403 forbidden", "unauthorized", "access denied", "insufficient_scope", "authentication required"),
        "the registry refuses the login of the cluster, or wants one",
        "set pull_secret: true, or check that the repository exists and the cluster's login may pull from it",
    ),
    (
        ("not found", "manifest unknown", "name unknown", "404"),
        "the registry does not have it",
        "was it deleted from the registry, or does the cluster reach another one under this name?",
    ),
)  # fmt: skip
PULL_REASONS = ("ErrImagePull", "ImagePullBackOff")
# What the kubelet and containerd put before the cause.
_BEFORE = re.compile(
    r'(?:Back-off pulling image "[^"]*"|ErrImagePull|rpc error: code = \w+ desc = [\w -]+(?: "[^"]*")?|'
    r'failed to pull and unpack image "[^"]*"|failed to resolve reference "[^"]*"|failed to do request): '
)


class PullFailure(NamedTuple):
    """A cause that does not pass by itself, and what to do."""

    cause: str
    hint: str


def pull_failure(reason: str, message: str) -> PullFailure | None:
    """The cause of a failed pull that trying again does not mend; None for others, such as a broken connection.

    `reason` and `message` are those of a container that waits.
    """
    if reason not in PULL_REASONS:
        return None
    said = message.lower()
    for texts, cause, hint in _CAUSES:
        if any(text in said for text in texts):
            return PullFailure(cause, hint)
    return None


def cause_in(message: str) -> str:
    """The cause in what the kubelet says of a failed pull, without the image and what was tried before it."""
    said = " ".join(message.split())
    while match := _BEFORE.match(said):
        said = said[match.end() :]
    return one_line(said)
