"""A stream of the process: it writes at once, never raises, and replaces what its encoding lacks."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from shipit.report.stream import Stream, as_is, write_lines


def written(text: str, encoding: str = "utf-8") -> bytes:
    reader, writer = os.pipe()
    stream = Stream(writer, encoding)
    stream.write(text)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        return file.read()


def test_control_characters_are_escaped_and_lines_stay() -> None:
    assert written("a\x1b[31m\tb\nc\r") == b"a\\x1b[31m\tb\nc\\r"


@pytest.mark.parametrize(
    ("encoding", "data"), [("utf-8", "\u00fc\u65e5".encode()), ("latin-1", b"\xfc\\u65e5"), ("ascii", b"\\xfc\\u65e5")]
)
def test_what_the_encoding_lacks_is_replaced(encoding: str, data: bytes) -> None:
    assert written("\u00fc\u65e5", encoding) == data
    assert Stream(1, encoding).takes("\u65e5") == (encoding == "utf-8")


def test_lines_that_are_escaped_already_pass_as_they_are() -> None:
    reader, writer = os.pipe()
    write_lines(as_is(Stream(writer, "utf-8")), ["\x1b[31mred\x1b[0m"])
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert file.read() == b"\x1b[31mred\x1b[0m\n"


def test_a_reader_that_is_gone_is_noted_and_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = Stream(writer, "utf-8")
    assert stream.lost is None
    assert stream.write("x" * 100) == 100 and stream.write("y") == 1
    assert isinstance(stream.lost, BrokenPipeError)
    os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_noted_and_no_error() -> None:
    with Path("/dev/full").open("w") as full:
        stream = Stream(full.fileno(), "utf-8")
        stream.write("x")
        assert stream.lost is not None and stream.lost.strerror == "No space left on device"
        assert Stream(full.fileno(), "utf-8").as_is().lost is None


def test_a_pipe_that_does_not_block_takes_everything_in_the_end() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    text = "x" * 1_000_000
    received: list[int] = []

    def read() -> None:
        with os.fdopen(reader, "rb") as file:
            received.append(len(file.read()))

    thread = threading.Thread(target=read)
    thread.start()
    Stream(writer, "utf-8").write(text)
    os.close(writer)
    thread.join(60)
    assert received == [len(text)]
