"""The apps under examples/, deployed as they stand to a real registry, a real cluster and the Heroku stand-in."""

from __future__ import annotations

import pytest

from shipit.rehearsal.heroku import HerokuStandIn
from tests.servers.cluster import Cluster
from tests.servers.registry import RegistryServer
from tests.shipit import ROOT, Shipit

pytestmark = [pytest.mark.cluster, pytest.mark.registry]

EXAMPLES = sorted(folder.name for folder in (ROOT / "examples").iterdir() if folder.is_dir())


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_deploys_and_then_has_nothing_to_do(
    shipit: Shipit, cluster: Cluster, registry_server: RegistryServer, python_base: str, example: str
) -> None:
    shipit.copy(example)
    with HerokuStandIn(token="token-of-heroku") as heroku:
        heroku.create_app(f"{example}-prod")
        shipit.env |= {
            **heroku.variables(),
            "KUBECONFIG": str(cluster.kubeconfig),
            "REPOSITORY": f"{registry_server.host}/examples/{example}",
            "SECRET_KEY": "a-secret-of-the-examples",
            "SHIPIT_MIRRORS": f"docker.io={python_base}",
        }
        done = shipit.run("deploy")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "a-secret-of-the-examples" not in done.stdout + done.stderr
        again = shipit.run("deploy")
        assert again.returncode == 0 and "nothing changed" in again.stdout, again.stdout + again.stderr
