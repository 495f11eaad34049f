"""Which images that were sent to a host are removed again."""

from __future__ import annotations

from pathlib import Path

from shipit.targets.docker.expire import remove_sent
from shipit.targets.engine.owner import IMAGES, Owner
from tests.targets.answering_host import answering_host

OWNER = Owner("shop", "production", "docker")
SENT = "localhost/shop/production/web"


def test_sent_images_stay_where_a_container_or_a_kept_compose_file_uses_them(tmp_path: Path) -> None:
    tags = (f"{SENT}:runs", f"{SENT}:kept", f"{SENT}:old", "localhost/shop/staging/web:1", "postgres:16")
    kept = {"Name": "f", "Labels": {**OWNER._replace(target="stack").labels, IMAGES: f"{SENT}:kept postgres:16"}}
    answers = {
        "GET /images/json": [{"Id": tag, "RepoTags": [tag]} for tag in tags],
        "GET /containers/json": [{"Id": "1", "ImageID": f"{SENT}:runs"}],
        "GET /volumes": {"Volumes": [kept]},
    }
    with answering_host(tmp_path, answers) as (client, server):
        remove_sent(client, OWNER)
    assert [path for path, _ in server.requests if path.startswith("DELETE")] == [f"DELETE /v1.41/images/{SENT}:old"]
    [listed] = [path for path, _ in server.requests if "/volumes" in path]
    assert "dev.shipit.app" in listed and "dev.shipit.target" not in listed
