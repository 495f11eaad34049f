"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
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


@pytest.fixture
def shop_prod(shipit: Shipit) -> Iterator[HerokuStandIn]:
    """A stand-in of Heroku with the app shop-prod, which shipit reaches."""
    with HerokuStandIn(token="token-of-heroku") as stand_in:
        stand_in.create_app("shop-prod")
        shipit.env |= stand_in.variables()
        yield stand_in
