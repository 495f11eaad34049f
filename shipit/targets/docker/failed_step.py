"""The details of a failed step: the free space of a full disk, and the release that each host runs then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from shipit.docker.image_store import NO_SPACE
from shipit.errors import BuildError, Interrupted, ShipitError
from shipit.printable import human_bytes
from shipit.targets.engine.client import HostClient
from shipit.targets.engine.free_space import free_space

# The time limit for reading what is said in addition, also after the deadline.
_READ_S = 15.0


@contextmanager
def explained(target: str, connect: Callable[[], HostClient], lines: Callable[[], Sequence[str]]) -> Iterator[None]:
    """Adds to a ShipitError of the block. `connect` gives the client of its host, `lines` reads what the hosts run."""
    try:
        yield
    except Interrupted:
        raise
    except ShipitError as error:
        with suppress(ShipitError):
            if NO_SPACE in error.what and _is_of_host(error, client := connect()):
                _add_space(error, target, client)
        with suppress(ShipitError):
            error.detail = (*error.detail, *lines())
        raise


def _is_of_host(error: ShipitError, client: HostClient) -> bool:
    """False for a BuildError of this machine, whose disk may be full as well."""
    return not isinstance(error, BuildError) or error.where in (client.host, str(client.engine.address))


def _add_space(error: ShipitError, target: str, client: HostClient) -> None:
    """The space that is left on the host, and what to do."""
    host, found = client.host, None
    with suppress(ShipitError):
        found = free_space(client.within(_READ_S))
    error.what += f"; {human_bytes(found[1])} are free in {found[0]} of {host}" if found else f" on {host}"
    error.hint = f"if that is too little: shipit prune {target} removes what no kept release needs there; or give {host} a bigger disk"
