"""Reads a Compose project: its containers, the files that the engine keeps, and the images that it has."""

from __future__ import annotations

import json
from collections.abc import Iterator

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.compose.content import Content, wanted_of
from shipit.targets.compose.kept import KeptFile, read_files
from shipit.targets.compose.observed import ComposeObserved, ContainerFacts, Wanted
from shipit.targets.compose.parse import ONE_OFF, PROJECT, is_outdated, parse_container, parse_tags
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.facts import pinned_images, variables_of
from shipit.targets.engine.owner import APP, ENVIRONMENT, TARGET, Owner
from shipit.targets.session import Session


def observe(
    client: HostClient, project: str, owner: Owner, secrets: frozenset[str], content: Content | None, session: Session
) -> ComposeObserved:
    """`secrets` are names of variables whose values are told to the redactor; `content` is what the run wants.

    Raises: RemoteError, also for a project that is another target's.
    """
    rows = project_rows(client, project)
    check_owner(rows, project, owner, client.host)
    found = (read_container(client, row["Id"].required(), owner, secrets, session) for row in rows)
    listed = client.images()
    tags = parse_tags(listed)
    own = (one._replace(is_outdated=is_outdated(one, tags)) for one in found if one and one.service)
    containers = sorted(own, key=lambda one: (one.service, one.number))
    files = tuple(wanted for file in read_files(client, owner) if (wanted := _kept(file, session)))
    images = frozenset(_images(listed, owner))
    return ComposeObserved(tuple(containers), files, images, wanted_of(content, session.mark) if content else None)


def _kept(file: KeptFile, session: Session) -> Wanted | None:
    """None for a text that is no compose file, or none that this version understands."""
    try:
        return wanted_of(file.content, session.mark)._replace(file=file.id, is_kept=True)
    except RemoteError:
        return None


def _images(answer: Field, owner: Owner) -> Iterator[str]:
    """The names of images by which a rendered file can have them."""
    yield from pinned_images(answer)
    tags = (name.text() for row in answer.rows() for name in row["RepoTags"].rows())
    yield from (name for name in tags if owner.is_sent_image(name))


def project_rows(client: HostClient, project: str) -> list[Field]:
    """The containers of the services of a project, whoever made them, without those of one-off commands."""
    rows = client.containers(project_filters(project))
    return [row for row in rows if row["Labels"].texts().get(ONE_OFF, "").lower() != "true"]


def check_owner(rows: list[Field], project: str, owner: Owner, host: str) -> None:
    """Raises: RemoteError where another target of shipit runs the project."""
    for row in rows:
        labels = row["Labels"].texts()
        if APP in labels and not owner.owns(labels):
            other = "/".join(labels.get(key, "") for key in (APP, ENVIRONMENT, TARGET))
            what = f"the project {project} on {host} is that of another target: {other}"
            raise RemoteError(what, where=owner.target, hint="add project: with another name to this target")


def read_container(
    client: HostClient, name: str, owner: Owner, secrets: frozenset[str], session: Session
) -> ContainerFacts | None:
    """A container by its name or id; None where there is none."""
    answer = client.container(name)
    if answer is None:
        return None
    session.environment.redactor.add(_secret_values(answer, secrets))
    found = parse_container(answer, owner, session.mark)
    if found.restarts and found.state == "running":
        # A container that runs again has no exit code.
        return found._replace(exit_code=client.last_exit_code(found.id, found.started_at))
    return found


def _secret_values(answer: Field, secrets: frozenset[str]) -> Iterator[str]:
    return (value for key, value in variables_of(answer["Config"]).items() if key in secrets)


def project_filters(project: str) -> str:
    """The filter of the engine's lists for what Compose made for a project."""
    return json.dumps({"label": [f"{PROJECT}={project}"]})
