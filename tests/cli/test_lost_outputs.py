"""Nobody may be listening: a deploy goes on, and ends with its own exit code."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from shipit.rehearsal.registry import EmbeddedRegistry
from tests.sampled import sampled
from tests.shipit import Shipit

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")

CLOSED = [">&-", "2>&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full"]


def in_shell(shipit: Shipit, command: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """A command line, in which SHIPIT stands for the program."""
    program = f"{shlex.quote(sys.executable)} -m shipit"
    return subprocess.run(
        ["bash", "-c", command.replace("SHIPIT", program)],
        cwd=shipit.folder,
        env={**shipit.measured(), **env},
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.sampled
@pytest.mark.parametrize(("streams", "output"), sampled(list(product(CLOSED, ("auto", "json", "github"))), 10))
def test_a_deploy_goes_on_without_its_outputs(
    shipit: Shipit, registry: EmbeddedRegistry, streams: str, output: str
) -> None:
    done = in_shell(shipit, f"SHIPIT deploy --output {output} {streams}")
    assert done.returncode == 0, done
    assert b"Traceback" not in done.stdout + done.stderr
    assert "latest" in str(registry.tags)


@pytest.mark.sampled
@pytest.mark.parametrize("streams", sampled(CLOSED, 3))
def test_a_deploy_that_fails_keeps_its_exit_code(shipit: Shipit, streams: str) -> None:
    shipit.write(Dockerfile="FROM scratch\n", deploy__yml="app: a\nimage: 127.0.0.1:1/a\ntargets: {hub: }\n")
    done = in_shell(shipit, f"SHIPIT deploy {streams}")
    assert done.returncode == 1 and b"Traceback" not in done.stdout + done.stderr
    done = in_shell(shipit, f"SHIPIT deploy --no-such-option {streams}")
    assert done.returncode == 2 and b"Traceback" not in done.stdout + done.stderr


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("output", "reader"),
    sampled(list(product(("plain", "json", "github"), ("true", "head -c 1", "head -1"))), 4),
)
def test_a_reader_that_goes_away_stops_no_deploy(
    shipit: Shipit, registry: EmbeddedRegistry, output: str, reader: str
) -> None:
    done = in_shell(shipit, f"SHIPIT deploy --output {output} 2>&1 | {reader}; exit ${{PIPESTATUS[0]}}")
    assert done.returncode == 0, done
    assert b"Traceback" not in done.stdout + done.stderr
    assert "latest" in str(registry.tags)


def test_a_file_that_is_opened_does_not_become_the_output(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    done = in_shell(shipit, "SHIPIT deploy >&- 2>&- <&-")
    assert done.returncode == 0 and "latest" in str(registry.tags), "it has said that it pushed"
    for file in Path(shipit.env["SHIPIT_CACHE_DIR"]).rglob("*"):
        assert not file.is_file() or b"pushed" not in file.read_bytes(), file


@pytest.mark.parametrize(
    "command",
    ["schema", "validate", "validate --output json", "validate --resolved", "plan", "status", "help", "--version"],
)
def test_a_result_that_can_not_be_written_is_an_error(shipit: Shipit, registry: EmbeddedRegistry, command: str) -> None:
    done = in_shell(shipit, f"SHIPIT {command} >/dev/full")
    assert done.returncode == 1 and b"standard output: no space left on device" in done.stderr, done
    assert in_shell(shipit, f"SHIPIT {command} >&-").returncode == 0, "nobody asked for it"


def test_a_mistake_that_can_not_be_told_as_data_keeps_its_exit_code(shipit: Shipit) -> None:
    shipit.write(deploy__yml="nonsense: 1\n")
    for streams in (">/dev/full", ">&-", ">/dev/full 2>/dev/full"):
        done = in_shell(shipit, f"SHIPIT validate --output json {streams}")
        assert done.returncode == 2 and b"Traceback" not in done.stderr, done


@pytest.mark.sampled
@pytest.mark.parametrize("encoding", sampled(["latin-1", "ascii", "cp1252", "utf-8", "utf-16"], 3))
def test_what_an_encoding_lacks_is_replaced(shipit: Shipit, registry: EmbeddedRegistry, encoding: str) -> None:
    shipit.write(
        deploy__yml=(shipit.folder / "deploy.yml").read_text() + "env: {GREETING: 'gr\u00fc\u00dfe \u65e5\u672c'}\n"
    )
    done = in_shell(shipit, "SHIPIT validate --resolved", PYTHONIOENCODING=encoding)
    text = done.stdout.decode(encoding)
    assert done.returncode == 0 and "GREETING" in text
    assert ("\u65e5" if encoding.startswith("utf") else "\\u65e5") in text
    assert ("\u00fc" if encoding != "ascii" else "\\xfc") in text
    done = in_shell(shipit, "SHIPIT deploy", PYTHONIOENCODING=encoding)
    assert done.returncode == 0 and "done: " in done.stdout.decode(encoding)


def test_a_pipe_that_does_not_block_gets_everything(shipit: Shipit) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = subprocess.Popen(
        [sys.executable, "-m", "shipit", "schema"], cwd=shipit.folder, env=shipit.env, stdout=writer
    )
    os.close(writer)
    data = b""
    while piece := os.read(reader, 1000):
        data += piece
    os.close(reader)
    assert process.wait() == 0
    assert len(data) > 64 * 1024 and data.endswith(b"}\n")
