"""The file of `shipit build --save`: checked before anything is built, and written whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from shipit.cli.options import OUTPUTS, STDOUT, BuildOptions
from shipit.errors import ShipitError, UsageError
from shipit.files import new_file


def split_output(options: BuildOptions) -> BuildOptions:
    """The options with a format in `output`, and in `save` the file that --save or --output names.

    Raises: UsageError where they name two files, or the file can't be written.
    """
    if options.output not in OUTPUTS:
        if options.save not in (None, options.output):
            raise UsageError(f"--save {options.save} and --output {options.output} name two files", hint="name one")
        options = replace(options, output="auto", save=options.output)
    if options.save == STDOUT:
        _check_stdout(options.output)
    elif options.save is not None:
        _check_file(Path(options.save))
    return options


def _check_stdout(output: str) -> None:
    if output in ("json", "github"):
        raise UsageError(f"standard output can't hold both a tar and --output {output}", hint="name a file for --save")
    if sys.stdout.isatty():
        raise UsageError("a tar is not written to a terminal", hint="name a file, or redirect standard output")


def _check_file(path: Path) -> None:
    if path.is_dir() or (path.exists() and not path.is_file()):
        raise UsageError("should be a regular file", where=str(path), hint="name a file, or - for standard output")
    if not path.parent.is_dir():
        raise UsageError("its folder does not exist", where=str(path), hint=f"create {path.parent} first")


@contextmanager
def archive_writer(save: str) -> Iterator[Callable[[bytes], object]]:
    """A function that writes bytes to the file; the file gets its name when the block ends without an error.

    Raises: ShipitError for a file that can't be written; OSError for standard output.
    """
    if save == STDOUT:
        yield _write_to_stdout
        return
    try:
        with new_file(Path(save)) as file:
            yield file.write
    except OSError as error:
        raise ShipitError(f"can't be written: {error.strerror}", where=save, hint="check its folder") from None


def _write_to_stdout(data: bytes) -> None:
    descriptor, left = sys.stdout.fileno(), memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
