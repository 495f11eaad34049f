"""Commands in containers of Docker hosts: frames of output, and the container of a one-off command."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.errors import RemoteError
from shipit.http.fields import Field
from shipit.targets.engine.copied import one_off_body, without_networks
from shipit.targets.engine.frames import Frames
from shipit.targets.engine.owner import Owner
from shipit.targets.remote import Command, Output, Size

OWNER = Owner("shop", "production", "docker")


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=20)), max_size=6), st.integers(1, 30))
def test_frames_give_the_same_bytes_however_they_arrive(rows: list[tuple[int, bytes]], size: int) -> None:
    data = b"".join(frame(stream, content) for stream, content in rows)
    frames = Frames("POST")
    found = [output for start in range(0, len(data), size) for output in frames.take(data[start : start + size])]
    for stream in (1, 2):
        wanted = b"".join(content for own, content in rows if own == stream)
        assert b"".join(output.data for output in found if output.stream == stream) == wanted


def test_a_frame_that_says_to_be_long_is_given_on_at_once() -> None:
    assert list(Frames("POST").take(bytes([2, 0, 0, 0, 255, 255, 255, 255]) + b"ab")) == [Output(2, b"ab")]


def test_what_the_engine_says_itself_is_stderr() -> None:
    data = frame(3, b"Error grabbing logs") + frame(0, b"out")
    assert list(Frames("GET").take(data)) == [Output(2, b"Error grabbing logs"), Output(1, b"out")]


@pytest.mark.parametrize("data", [b"OCI runtime", bytes([4, 0, 0, 0, 0, 0, 0, 1]), bytes([1, 1, 0, 0, 0, 0, 0, 1])])
def test_what_is_no_frame_is_an_error(data: bytes) -> None:
    with pytest.raises(RemoteError, match="no frame of output"):
        list(Frames("POST").take(data))


LIKE: dict[str, Any] = {
    "Id": "abcdef012345" + "0" * 52,
    "Config": {
        "Image": "sha256:1", "Env": ["TOKEN=x"], "Cmd": ["serve"], "Entrypoint": ["/init"], "Hostname": "abcdef012345",
        "ExposedPorts": {"80/tcp": {}}, "Labels": {"dev.shipit.service": "web"}, "WorkingDir": "/app",
    },
    "HostConfig": {
        "NetworkMode": "shop-production", "PortBindings": {"80/tcp": [{"HostPort": "80"}]}, "Binds": ["data:/data"],
        "RestartPolicy": {"Name": "unless-stopped"}, "Memory": 5,
    },
    "NetworkSettings": {"Networks": {"proxy": {"Aliases": ["web"]}, "shop-production": {"Aliases": ["web"]}}},
}  # fmt: skip


def test_a_one_off_command_has_the_settings_of_its_service_and_takes_none_of_its_traffic() -> None:
    command = Command(("sh", "-c", "id"), Size(80, 24), has_input=True)
    body = one_off_body(Field(LIKE, "GET"), OWNER, "web", command, is_detached=False)
    assert body["Entrypoint"] == ["sh", "-c", "id"] and "Cmd" not in body and "ExposedPorts" not in body
    assert (body["Image"], body["Env"], body["WorkingDir"]) == ("sha256:1", ["TOKEN=x"], "/app")
    assert body["HostConfig"] == {
        "NetworkMode": "shop-production", "Binds": ["data:/data"], "Memory": 5, "RestartPolicy": {"Name": "no"},
        "PublishAllPorts": False, "AutoRemove": True,
    }  # fmt: skip
    assert body["Labels"] == {**OWNER.labels, "dev.shipit.run": "web", "dev.shipit.attached": "true"}
    assert body["Tty"] and body["OpenStdin"] and body["StdinOnce"] and "Hostname" not in body
    first, others = without_networks(body)
    assert first["NetworkingConfig"] == {"EndpointsConfig": {"shop-production": {}}}
    assert others == {"proxy": []}
    detached = one_off_body(Field(LIKE, "GET"), OWNER, "web", command, is_detached=True)
    assert not detached["OpenStdin"] and not detached["AttachStdout"] and not detached["HostConfig"]["AutoRemove"]
    assert detached["Labels"] == {**OWNER.labels, "dev.shipit.run": "web"}


@pytest.mark.parametrize(("mode", "hostname"), [("container:123", None), ("shop-production", "other")])
def test_a_one_off_command_in_the_network_of_another_container_has_the_host_name_of_that_one(
    mode: str, hostname: str | None
) -> None:
    like = {
        **LIKE,
        "Config": {**LIKE["Config"], "Hostname": "other"},
        "HostConfig": {**LIKE["HostConfig"], "NetworkMode": mode},
    }
    body = one_off_body(Field(like, "GET"), OWNER, "web", Command(("id",)), is_detached=False)
    assert body.get("Hostname") == hostname
