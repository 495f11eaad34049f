"""The ssh command of an engine's address."""

from __future__ import annotations

import pytest

from shipit.docker.tunnel import ssh_command, ssh_forward
from shipit.errors import BuildError

SSH = [
    "ssh",
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=10",
    "-o",
    "ServerAliveInterval=10",
    "-o",
    "ServerAliveCountMax=3",
    "-T",
]
DIAL = ["docker", "system", "dial-stdio"]


@pytest.mark.parametrize(
    ("address", "arguments"),
    [
        ("ssh://host", ["--", "host"]),
        ("ssh://me@host/", ["-l", "me", "--", "host"]),
        ("ssh://me@host:2222", ["-l", "me", "-p", "2222", "--", "host"]),
    ],
)
def test_user_and_port_become_options(address: str, arguments: list[str]) -> None:
    assert ssh_command(address) == [*SSH, *arguments, *DIAL]


@pytest.mark.parametrize(("address", "forwarded"), [("172.18.0.2", "172.18.0.2:80"), ("fd00::2", "[fd00::2]:80")])
def test_a_port_behind_the_host_is_forwarded(address: str, forwarded: str) -> None:
    assert ssh_forward("ssh://me@host:2222", address, 80) == [
        *SSH, "-l", "me", "-p", "2222", "-W", forwarded, "--", "host",
    ]  # fmt: skip


@pytest.mark.parametrize("address", ["ssh://", "ssh://-oProxyCommand=x", "ssh://me:password@host", "ssh://host/path"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(BuildError, match="is not an engine's address"):
        ssh_command(address)
