"""What belongs to a target on a host: names that are free or its own, and its network."""

from __future__ import annotations

from shipit.errors import DeployFailed
from shipit.targets.docker.setting import Setting
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.owner import TARGET, Owner


def is_own(client: HostClient, name: str, setting: Setting) -> bool:
    """True when the target has a container of a name. Raises: DeployFailed where somebody else has one."""
    answer = client.container(name)
    if answer is None:
        return False
    if not setting.owner.owns(answer["Config"]["Labels"].texts()):
        what = f"the name {name} on {client.host} is taken by a container that shipit did not create here"
        raise DeployFailed(what, where=setting.target, hint=f"rename it: docker rename {name} OTHER")
    return True


def make_network(client: HostClient, owner: Owner) -> None:
    """The network of the app and environment, which its targets share."""
    if not client.has_network(owner.prefix):
        labels = {key: value for key, value in owner.labels.items() if key != TARGET}
        client.create_network(owner.prefix, labels)
