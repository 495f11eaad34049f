"""No bad file is taken, and what is said of it is exactly what it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.bad_files import CASES, expected_file, validate


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_bad_file(case: Path) -> None:
    assert validate(case) == (2, "", expected_file(case).read_text(encoding="utf-8"))


def test_there_are_many() -> None:
    assert len(CASES) >= 150
