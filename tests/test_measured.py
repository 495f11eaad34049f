"""How much of each room the tests run: rooms, shares, and what is below the limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from coverage import CoverageData

from tests.measured import Share, claimed_percent, problems, room_of, shares, whole_data

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("file", "room"),
    [
        ("shipit/errors.py", "shipit/*.py"),
        ("shipit/http/session.py", "shipit/http"),
        ("shipit/image/dockerfile/parse.py", "shipit/image"),
        ("shipit/targets/base.py", "shipit/targets"),
        ("shipit/targets/heroku/plan.py", "shipit/targets/heroku"),
    ],
)
def test_the_room_of_a_file_is_its_folder_and_each_kind_of_target_is_one(file: str, room: str) -> None:
    assert room_of(file) == room


def test_the_share_of_a_room_is_that_of_all_its_files() -> None:
    files = {"shipit/http/a.py": Share(1, 2), "shipit/http/b.py": Share(8, 8), "shipit/clock.py": Share(0, 0)}
    rooms = shares(files)
    assert rooms == {"shipit/*.py": Share(0, 0), "shipit/http": Share(9, 10)}
    assert [share.percent for share in rooms.values()] == [100.0, 90.0]


@pytest.mark.parametrize(
    ("http", "claimed", "found"),
    [
        (Share(95, 100), 95, []),
        (Share(90, 100), 90, []),
        (Share(89, 100), 89, ["shipit/http is at 89.0 %, which is less than 90 %"]),
        (Share(95, 100), 96, ["CONTRIBUTING.md says 96 %, and it is 95.0 %"]),
        (Share(95, 100), None, ["CONTRIBUTING.md names no figure"]),
    ],
    ids=["as claimed", "at the limit", "below the limit", "claims too much", "claims nothing"],
)
def test_what_is_below_the_limits_is_a_problem(http: Share, claimed: int | None, found: list[str]) -> None:
    assert problems({"shipit/http": http}, claimed) == found


def test_the_figure_is_read_from_contributing() -> None:
    assert claimed_percent("Tests run **93 %** of the lines and branches.") == 93
    assert claimed_percent("nothing") is None
    assert claimed_percent((ROOT / "CONTRIBUTING.md").read_text()) is not None


def test_data_that_a_killed_program_left_is_passed_over(tmp_path: Path) -> None:
    source = tmp_path / "measured.py"
    source.write_text("x = 1\n")
    for name in ("whole", "half"):
        data = CoverageData(str(tmp_path / f".coverage.{name}"))
        data.add_lines({str(source): [1]})
        data.write()
    half = tmp_path / ".coverage.half"
    half.write_bytes(half.read_bytes()[:9000])
    (tmp_path / ".coverage.empty").touch()
    (tmp_path / ".coverage.text").write_text("no data")
    assert whole_data(tmp_path) == [tmp_path / ".coverage.whole"]
