"""The Secret with the registry credentials of the cluster."""

from __future__ import annotations

from shipit.errors import RemoteError
from shipit.reference import parse_reference
from shipit.targets.kubernetes.applyset import PART_OF_LABEL, labelled
from shipit.targets.kubernetes.client import KubernetesClient
from shipit.targets.kubernetes.desired import Desired
from shipit.targets.kubernetes.render import Manifest
from shipit.targets.kubernetes.render_secrets import render_pull_secret
from shipit.targets.session import Session


def render_pull_secret_of(desired: Desired, session: Session) -> Manifest:
    """The Secret with the credentials in use on this machine. Raises: RemoteError where there are none."""
    refs = {ref.registry: ref for ref in (parse_reference(use.repository) for use in desired.uses())}
    hosts = sorted(refs)
    logins = {host: session.registries.credentials(refs[host]) if session.registries else None for host in hosts}
    known = {host: (login.username, login.password) for host, login in logins.items() if login and login.password}
    if not known:
        hint = f"shipit login {hosts[0]}, or remove pull_secret"
        what = "there are no registry credentials for the cluster"
        raise RemoteError(what, where=f"namespace {desired.namespace}", hint=hint)
    return labelled(render_pull_secret(desired.setting(""), known), desired.set_id)


def is_pull_secret_current(desired: Desired, client: KubernetesClient, session: Session) -> bool:
    """Whether the cluster has the credentials in use."""
    wanted = render_pull_secret_of(desired, session)
    live = client.read(wanted, desired.namespace)
    is_member = live is not None and live.meta.labels.get(PART_OF_LABEL) == desired.set_id
    return bool(live and is_member and (live.manifest.get("data") or {}) == wanted["data"])
