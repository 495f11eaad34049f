"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shipit.rehearsal.registry import EmbeddedRegistry
from tests.shipit import Shipit


@pytest.fixture
def registry(shipit: Shipit) -> Iterator[EmbeddedRegistry]:
    """An embedded registry, and a project beside it that `deploy` pushes to it."""
    with EmbeddedRegistry() as server:
        shipit.write(
            Dockerfile='FROM scratch\nCOPY hello.txt /\nCMD ["x"]\n',
            hello__txt="hello\n",
            deploy__yml=f"app: shop\nimage: {server.host}/shop\ntargets: {{hub: {{settle: 0s}}}}\n",
        )
        yield server
