"""What the error of a step on a Docker host says beside itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.docker.image_store import LoadRefused
from shipit.errors import BuildError, DeployFailed, Interrupted, RemoteError, ShipitError
from shipit.targets.docker.failed_step import explained
from shipit.targets.engine.client import HostClient
from tests.targets.answering_host import answering_host

FULL = "mkdir /var/lib/docker/x: no space left on device"
LINE = "ssh://web1 runs web 0123456789ab"


def raised(error: ShipitError, client: HostClient) -> ShipitError:
    with pytest.raises(type(error)) as caught, explained("hosts", lambda: client, lambda: [LINE]):
        raise error
    return caught.value


@pytest.mark.parametrize("kind", [RemoteError, DeployFailed, LoadRefused, BuildError])
def test_a_host_without_space_is_named_with_what_is_left(kind: type[ShipitError], tmp_path: Path) -> None:
    with answering_host(tmp_path, {"GET /info": {"DockerRootDir": str(tmp_path)}}) as (client, server):
        error = raised(kind(FULL, where="engine", detail=["last line"]), client)
        assert error.what.startswith(f"{FULL}; ") and error.what.endswith(f" are free in {tmp_path} of engine")
        assert "shipit prune hosts" in error.hint and error.detail == ("last line", LINE)
        server.answers["GET /info"] = (200, b'{"DockerRootDir": "/not/on/this/machine"}')
        assert raised(kind(FULL, where="engine"), client).what == f"{FULL} on engine"


def test_a_full_disk_of_this_machine_says_nothing_of_the_host(tmp_path: Path) -> None:
    with answering_host(tmp_path, {}) as (client, _):
        error = raised(BuildError("the cache can't be written: no space left on device", hint="free some"), client)
        assert (error.what, error.hint) == ("the cache can't be written: no space left on device", "free some")
        assert raised(DeployFailed("it exited with 1"), client).detail == (LINE,)
        assert raised(Interrupted(), client).detail == ()
