"""The engine's answers about the containers of a Compose project as facts. Pure.

Source: Docker Engine API 1.41: ContainerInspect; docker/compose, pkg/api/labels.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from shipit.errors import ShipitError
from shipit.http.fields import Field
from shipit.printable import printable_line
from shipit.reference import parse_reference
from shipit.targets.compose.observed import ContainerFacts
from shipit.targets.engine.facts import last_said, published_port, undecided_for_s, variables_of
from shipit.targets.engine.made_by import made_by
from shipit.targets.engine.owner import BESIDE, ORIGIN, SPEC, Owner

_LABEL = "com.docker.compose"
PROJECT, SERVICE, NUMBER = f"{_LABEL}.project", f"{_LABEL}.service", f"{_LABEL}.container-number"
CONFIG_HASH, ONE_OFF = f"{_LABEL}.config-hash", f"{_LABEL}.oneoff"
_IMAGE, _FILES = f"{_LABEL}.image", f"{_LABEL}.project.config_files"
# The longest path of a compose file that a plan shows.
_LONGEST = 200
# The compose file of what shipit started: it gives Compose the text on its standard input.
_GIVEN = "-"


def parse_container(answer: Field, owner: Owner, mark: Callable[[str], str]) -> ContainerFacts:
    """The answer of GET /containers/{id}/json. Raises: RemoteError."""
    config, state = answer["Config"], answer["State"]
    labels = config["Labels"].texts()
    health, number = state["Health"], labels.get(NUMBER, "")
    ports = dict(_ports(answer["NetworkSettings"]["Ports"]))
    is_own = owner.owns(labels)
    # Who starts another file may have copied the labels of a container into it.
    own_hash = labels.get(SPEC, "") if is_own and labels.get(_FILES) == _GIVEN else ""
    return ContainerFacts(
        answer["Id"].required(),
        answer["Name"].text().lstrip("/"),
        labels.get(SERVICE, ""),
        int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 0,
        # Compose's own hash counts the labels of the origin, too.
        mark(own_hash or labels.get(CONFIG_HASH, "")),
        config["Image"].text(),
        {name: mark(value) for name, value in sorted(variables_of(config).items())},
        is_own,
        state["Status"].text(),
        health["Status"].text() if health["Status"].text() != "none" else "",
        last_said(health),
        answer["RestartCount"].whole(),
        state["ExitCode"].whole(),
        state["Error"].text(),
        state["OOMKilled"].flag(),
        state["StartedAt"].text(),
        tuple(sorted(ports)),
        tuple(dict.fromkeys(one for one in (answer["Image"].text(), labels.get(_IMAGE, "")) if one)),
        local_ports=tuple(sorted(port for port, is_local in ports.items() if is_local)),
        anonymous=tuple(sorted(_anonymous(answer["Mounts"]))),
        file=printable_line(labels.get(_FILES, "")[:_LONGEST]),
        origin={name: labels[name] for name in (SPEC, *ORIGIN) if name in labels} if is_own else {},
        made=made_by(labels, answer["Created"].text()),
        beside=labels.get(BESIDE, "") if is_own else "",
        undecided_s=undecided_for_s(answer),
    )


def _anonymous(mounts: Field) -> Iterator[str]:
    """The folders of the volumes that the engine named itself: by 64 hexadecimal digits."""
    for mount in mounts.rows():
        if mount["Type"].text() == "volume" and re.fullmatch("[0-9a-f]{64}", mount["Name"].text()):
            yield mount["Destination"].text()


def parse_tags(answer: Field) -> dict[str, str]:
    """Tag -> id of its image, of the answer of GET /images/json."""
    found = ((_tag(name.text()), row["Id"].text()) for row in answer.rows() for name in row["RepoTags"].rows())
    return {tag: identity for tag, identity in found if tag}


def is_outdated(found: ContainerFacts, tags: Mapping[str, str]) -> bool:
    """True where the tag of a container's image names another image on the engine now: Compose then makes a new container."""
    now = tags.get(_tag(found.image), "")
    return bool(now and found.image_ids) and now not in found.image_ids


def _tag(image: str) -> str:
    """The whole name of an image with its tag; empty for a pinned one."""
    try:
        ref = parse_reference(image)
    except ShipitError:
        return ""
    return "" if ref.digest else f"{ref.name}:{ref.tag or 'latest'}"


def _ports(bindings: Field) -> Iterator[tuple[int, bool]]:
    """The ports of the host in the bindings of a container, those of TCP, and whether only the host itself can reach them."""
    rows = [row for key, found in bindings.items() if key.endswith("/tcp") for row in found.rows()]
    # What others can reach comes last, and stays.
    for row in sorted(rows, key=lambda row: not _is_loopback(row)):
        if port := published_port(row):
            yield port, _is_loopback(row)


def _is_loopback(row: Field) -> bool:
    return row["HostIp"].text().startswith("127.") or row["HostIp"].text() == "::1"
