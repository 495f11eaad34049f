"""What the tests of the pipeline share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.rehearsal.registry import EmbeddedRegistry
from tests.pipeline.bench import Bench


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path, registry: EmbeddedRegistry) -> Bench:
    return Bench(tmp_path, registry)
