"""Measurements: medians of several runs, each beside the program it is compared with, in the same minute."""

from __future__ import annotations

import compileall
from pathlib import Path

# As an installation has it: where Python may write no bytecode, every run would compile the package anew.
compileall.compile_dir(Path(__file__).parent.parent / "shipit", quiet=2)
