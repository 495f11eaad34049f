"""Freeze windows: which moments are in one and until when, and what is refused in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shipit.config.freeze import FreezeConfig
from shipit.errors import UsageError
from shipit.events import Event, RunStarted, StepDone, Warned
from shipit.pipeline.flow import deploy, plan
from shipit.pipeline.freeze import frozen_at
from shipit.rehearsal.registry import EmbeddedRegistry
from tests import runs
from tests.in_process import InProcess
from tests.pipeline.bench import Bench

WEEKEND = {"start": "fri 16:00", "end": "mon 08:00", "zone": "Europe/Berlin"}
LUNCH = {"start": "Tue 12:00".lower(), "end": "tuesday 13:30", "zone": "UTC"}
# Every week, also in the nights whose 2:30 is twice or not at all.
NIGHT = {"start": "sat 22:00", "end": "sun 02:30", "zone": "Europe/Berlin"}
SUNDAY = {"start": "sun 02:30", "end": "mon 08:00", "zone": "Europe/Berlin"}
HOLIDAYS = {"start": "2026-12-20 18:00", "end": "2027-01-04", "zone": "America/New_York", "reason": "holidays"}


def until(window: dict[str, str], now: str) -> str:
    """The end of the window that a moment in UTC is in."""
    found = frozen_at([FreezeConfig.model_validate(window)], datetime.fromisoformat(f"{now}+00:00").timestamp())
    return found.until.removeprefix("until ") if found else ""


@pytest.mark.parametrize(
    ("window", "now", "end"),
    [
        (WEEKEND, "2026-11-27 14:59", ""),
        (WEEKEND, "2026-11-27 15:00", "2026-11-30 08:00 Europe/Berlin"),
        (WEEKEND, "2026-11-29 23:59", "2026-11-30 08:00 Europe/Berlin"),
        (WEEKEND, "2026-11-30 06:59:59", "2026-11-30 08:00 Europe/Berlin"),
        (WEEKEND, "2026-11-30 07:00", ""),
        # In summer Berlin is two hours ahead, and clocks change within the window.
        (WEEKEND, "2026-07-03 14:00", "2026-07-06 08:00 Europe/Berlin"),
        (WEEKEND, "2026-03-30 05:59", "2026-03-30 08:00 Europe/Berlin"),
        (WEEKEND, "2026-03-30 06:00", ""),
        (WEEKEND, "2026-10-26 06:59", "2026-10-26 08:00 Europe/Berlin"),
        (LUNCH, "2026-11-24 12:30", "2026-11-24 13:30 UTC"),
        (LUNCH, "2026-11-25 12:30", ""),
        (HOLIDAYS, "2026-12-20 22:59", ""),
        (HOLIDAYS, "2026-12-20 23:00", "2027-01-04 00:00 America/New_York"),
        (HOLIDAYS, "2027-01-04 04:59", "2027-01-04 00:00 America/New_York"),
        (HOLIDAYS, "2027-01-04 05:00", ""),
        # 2:30 is twice in this night, and not at all in the other: the longer window counts.
        ({"start": "2026-10-25 02:30", "end": "2026-10-25 02:45", "zone": "Europe/Berlin"}, "2026-10-25 01:40",
         "2026-10-25 02:45 Europe/Berlin"),
        ({"start": "2026-03-29 01:00", "end": "2026-03-29 02:30", "zone": "Europe/Berlin"}, "2026-03-29 01:29",
         "2026-03-29 03:30 Europe/Berlin"),
        (NIGHT, "2026-10-25 00:15", "2026-10-25 02:30 Europe/Berlin"),
        (NIGHT, "2026-10-25 00:35", "2026-10-25 02:30 Europe/Berlin"),
        (NIGHT, "2026-10-25 01:29", "2026-10-25 02:30 Europe/Berlin"),
        (NIGHT, "2026-10-25 01:30", ""),
        (SUNDAY, "2026-10-25 00:29", ""),
        (SUNDAY, "2026-10-25 01:15", "2026-10-26 08:00 Europe/Berlin"),
        (NIGHT, "2026-03-29 01:29", "2026-03-29 03:30 Europe/Berlin"),
    ],
)  # fmt: skip
def test_a_moment_is_in_a_window_by_the_clock_of_its_zone(window: dict[str, str], now: str, end: str) -> None:
    assert until(window, now) == end


def test_windows_that_follow_one_another_are_one() -> None:
    evening = {"start": "mon 18:00", "end": "tue 00:00", "zone": "UTC", "reason": "evening"}
    night = {"start": "tue 00:00", "end": "tue 06:00", "zone": "UTC"}
    windows = [FreezeConfig.model_validate(one) for one in (evening, night)]
    found = frozen_at(windows, datetime(2026, 11, 23, 20, tzinfo=UTC).timestamp())
    assert found and found.said == "deploys are frozen until 2026-11-24 06:00 UTC: evening"


def test_windows_without_a_gap_have_no_end() -> None:
    days = [("mon 00:00", "thu 00:00"), ("thu 00:00", "mon 00:00")]
    windows = [FreezeConfig(start=start, end=end, zone="UTC") for start, end in days]
    found = frozen_at(windows, 0.0)
    assert found and "all the time" in found.said


def frozen(bench: Bench, *windows: dict[str, str]) -> None:
    bench.text += "freeze:\n" + "".join(f"  - {window}\n".replace("'", '"') for window in windows)


# The clock of the bench shows 22:30 on Tuesday.
NOW = {"start": "tue 22:00", "end": "tue 23:00", "zone": "UTC", "reason": "backup"}


def test_a_deploy_in_a_window_is_refused_before_anything_is_built(bench: Bench) -> None:
    frozen(bench, NOW)
    in_memory = bench.add("one")
    with pytest.raises(UsageError, match="deploys are frozen until 2023-11-14 23:00 UTC: backup; nothing was changed"):
        deploy(bench.run())
    assert in_memory.writes == [] and not bench.of(StepDone)
    plan(bench.run())
    assert [event.message for event in bench.events if isinstance(event, Warned)] == [
        "deploys are frozen until 2023-11-14 23:00 UTC: backup"
    ]


def test_a_reason_overrides_the_window_and_begins_the_run(bench: Bench) -> None:
    frozen(bench, NOW)
    bench.add("one")
    assert deploy(bench.run(), override="fixes the checkout") == 0
    [started] = bench.of(RunStarted)
    assert isinstance(started, RunStarted) and started.override == "fixes the checkout"
    bench.clock.sleep(3600)
    assert deploy(bench.run(), override="not needed") == 0
    [started] = bench.of(RunStarted)
    assert isinstance(started, RunStarted) and started.override == ""


@pytest.mark.parametrize("action", ["build", "hook"])
def test_a_window_that_begins_during_the_build_or_a_hook_stops_the_deploy(bench: Bench, action: str) -> None:
    frozen(bench, {"start": "tue 22:45", "end": "tue 23:00", "zone": "UTC"})
    bench.text += "hooks: {before: 'true'}\n"
    in_memory = bench.add("one")
    run = bench.run()

    def pass_time(event: Event) -> None:
        if isinstance(event, StepDone) and event.step.action == action:
            bench.clock.sleep(1200)

    runs.react(run, pass_time)
    with pytest.raises(UsageError, match="deploys are frozen until 2023-11-14 23:00 UTC"):
        deploy(run)
    assert in_memory.writes == [] and bench.registry.tags == {}


def test_the_command_line_overrides_a_freeze_with_a_reason_that_the_journal_keeps(
    in_process: InProcess, registry: EmbeddedRegistry
) -> None:
    year = datetime.now(UTC).year
    in_process.write(
        Dockerfile='FROM scratch\nCOPY hello.txt /\nCMD ["x"]\n',
        hello__txt="hello\n",
        deploy__yml=f"app: shop\nimage: {registry.host}/shop\ntargets: {{hub: {{settle: 0s}}}}\nfreeze:\n"
        f"  - {{start: {year}-01-01, end: {year}-12-31, zone: UTC}}\n"
        f"  - {{start: {year}-12-31, end: {year + 1}-06-01, zone: Asia/Tokyo}}\n",
    )
    refused = in_process.run("deploy")
    assert refused.returncode == 2 and registry.tags == {}
    assert f"deploys are frozen until {year + 1}-06-01 00:00 Asia/Tokyo; nothing was changed" in refused.stderr
    assert "--override-freeze REASON" in refused.stderr
    assert in_process.run("deploy", "--override-freeze", " ").returncode == 2
    done = in_process.run("deploy", "--override-freeze", "fixes the checkout")
    assert done.returncode == 0, done.stderr
    assert "the freeze is overridden: fixes the checkout" in done.stderr
    [journal] = (in_process.folder / ".shipit" / "runs").glob("*.jsonl")
    assert '"override": "fixes the checkout"' in journal.read_text()
    assert in_process.run("validate", "--resolved").stdout.count("zone") == 2


def test_an_environment_has_its_own_windows(tmp_path: Path) -> None:
    text = (
        "app: shop\nimage: user/shop\ntargets: {hub: {}}\n"
        "environments: {production: {inherit: true, freeze: [{start: fri 16:00, end: mon 08:00, zone: UTC}]}}\n"
    )
    assert runs.project(tmp_path, text, runs.environment(tmp_path)).freeze[0].zone == "UTC"
