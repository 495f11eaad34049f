"""Saved plans: written for their owner only, and read only where they are whole and signed."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipit.digest import Digest
from shipit.errors import UsageError
from shipit.files import Unreadable
from shipit.history.saved_plan import MOST_BYTES, SavedPlan, SavedTarget, read_plan, write_plan
from shipit.rehearsal.memory.steps import SetImages
from shipit.release import Place, Plan, PlannedImage, PublishedImage, TagMove, TargetPlan, Upload

KEY = b"k" * 32
DIGEST = Digest.of(b"an image")
STEP = SetImages("set", "set web", ("web  none -> 1",), images={"web": "1"})
PLAN = Plan(
    "shop",
    "production",
    (PlannedImage("web", "linux/amd64", DIGEST, "native"),),
    (TargetPlan("one", Place("memory", "here"), (Upload("web", "r.example/shop", DIGEST, 1, 9, ("v1",)),), (STEP,)),),
    (TagMove("r.example/shop", "latest", DIGEST, Digest.of(b"another")),),
)
TARGET = SavedTarget(
    "one", "0123", (PublishedImage("web", "linux/amd64", f"r.example/shop@{DIGEST}", DIGEST),), {"TOKEN": "ab"}, ("cd",)
)
SAVED = SavedPlan(
    "shop", "production", "c0ffee", "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z", PLAN, (TARGET,)
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_plan(tmp_path / "plan.json", SAVED, KEY)
    return tmp_path / "plan.json"


def test_a_plan_comes_back_equal_and_only_its_owner_reads_it(file: Path) -> None:
    assert read_plan(file, KEY) == SAVED
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["plan.json"]


def test_a_link_in_place_of_the_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mine")
    (tmp_path / "plan.json").symlink_to(tmp_path / "other")
    write_plan(tmp_path / "plan.json", SAVED, KEY)
    assert (tmp_path / "other").read_text() == "mine" and not (tmp_path / "plan.json").is_symlink()


def test_white_space_and_the_order_of_keys_are_not_signed(file: Path) -> None:
    data = json.loads(file.read_text())
    file.write_text(json.dumps(dict(reversed(data.items()))))
    assert read_plan(file, KEY) == SAVED


def _digest(data: dict[str, Any]) -> None:
    data["plan"]["images"][0]["config_digest"] = str(Digest.of(b"evil"))


def _later(data: dict[str, Any]) -> None:
    data["expires_at"] = "2099-01-01T00:00:00.000Z"


def _more(data: dict[str, Any]) -> None:
    data["plan"]["targets"][0]["steps"].append({**data["plan"]["targets"][0]["steps"][0], "id": "more"})


def _unsigned(data: dict[str, Any]) -> None:
    del data["signature"]


def _no_text(data: dict[str, Any]) -> None:
    data["signature"] = [data["signature"]]


def _hostile(data: dict[str, Any]) -> None:
    data["signature"] = "\ud800\x1b[2Jé"


@pytest.mark.parametrize("change", [_digest, _later, _more, _unsigned, _no_text, _hostile])
def test_a_changed_plan_is_refused(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))
    with pytest.raises(UsageError, match="the signature of the plan is not valid") as caught:
        read_plan(file, KEY)
    assert caught.value.where == str(file) and "SHIPIT_PLAN_KEY" in caught.value.hint


def test_a_plan_of_another_key_is_refused(file: Path) -> None:
    with pytest.raises(UsageError, match="it was changed, or made with another key"):
        read_plan(file, b"o" * 32)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"format": "shipit plan", "v": 1' + b"\x00", "is no JSON"),
        (b"\xff\xfe\xfa", "is no JSON"),
        (b'{"v": 1e999}', "is no JSON"),
        (b"[]", "should be a saved plan"),
        (b'{"format": "other"}', "should be a saved plan"),
        (b'{"format": "shipit plan", "v": 2}', "another version of the format: '2', not 1"),
        (b'{"format": "shipit plan", "v": "\\u001b[2J"}', "another version of the format"),
    ],
)
def test_what_is_no_plan_is_one_clear_error(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(UsageError, match=what) as caught:
        read_plan(tmp_path / "plan.json", KEY)
    assert "\x1b" not in str(caught.value) and caught.value.hint.startswith(
        "make a new one: shipit plan --save FILE, or "
    )


def test_every_truncation_is_refused(file: Path) -> None:
    data = file.read_bytes()
    for length in range(0, len(data), 37):
        file.write_bytes(data[:length])
        with pytest.raises(UsageError):
            read_plan(file, KEY)


def test_a_huge_file_is_not_read(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(MOST_BYTES + 1)
    with pytest.raises(Unreadable, match=f"it should be at most {MOST_BYTES:,} bytes"):
        read_plan(file, KEY)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(Unreadable):
            read_plan(path, KEY)


@pytest.mark.parametrize("name", ["none/plan.json", "nul\0.json"])
def test_a_plan_that_cannot_be_written_is_a_usage_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="can't be written") as caught:
        write_plan(tmp_path / name, SAVED, KEY)
    assert caught.value.hint == "name another file for --save"
