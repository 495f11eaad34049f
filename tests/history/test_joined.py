"""The verdicts of the journal at the releases of a place, and both as one history."""

from __future__ import annotations

from shipit.history.joined import PlaceHistory, joined
from shipit.history.merged import merged
from shipit.past_release import PastRelease
from shipit.past_run import PastRun, PastTarget
from shipit.pipeline.shared_runs import with_shared
from shipit.release import Place

APP = Place("heroku", "app shop")


def run_of(name: str, minute: int, state: str, version: str, place: str = APP.identity) -> PastRun:
    at = f"2026-01-31T12:{minute:02}"
    target = PastTarget("heroku", place, state, "web crashed" if state == "failed" else "", version=version)
    ends = "failed" if state == "failed" else "done"
    return PastRun(
        name, "deploy", "shop", "production", f"{at}:00.000Z", "failed" if ends == "failed" else "done",
        f"{at}:30.000Z", 0, "c0ffee", "main", targets=(target,),
    )  # fmt: skip


def release_of(version: int, minute: int, **more: bool) -> PastRelease:
    return PastRelease(f"v{version}", released_at=f"2026-01-31T12:{minute:02}:10Z", by="ada@x", **more)  # type: ignore[arg-type]


RUNS = (
    run_of("c" * 12, 30, "failed", "v5"),
    run_of("b" * 12, 20, "unchanged", "v4"),
    run_of("a" * 12, 10, "healthy", "v4"),
)
RELEASES = (
    release_of(6, 40),
    release_of(5, 30),
    release_of(4, 10, is_current=True),
    release_of(3, 10),
    release_of(2, 1),
)


def test_a_release_has_the_verdict_of_the_run_that_made_it() -> None:
    found = merged(RELEASES, RUNS, APP)
    assert [(past.version, past.run[:1], past.state, past.reason) for past in found] == [
        ("v6", "", "unknown", ""),
        ("v5", "c", "failed", "web crashed"),
        ("v4", "a", "healthy", ""),
        ("v3", "a", "begun", ""),
        ("v2", "", "unknown", ""),
    ]
    assert found[2].commit == "c0ffee"


def test_an_unchanged_deploy_verifies_what_failed_before() -> None:
    runs = (run_of("b" * 12, 20, "unchanged", "v4"), run_of("a" * 12, 10, "failed", "v4"))
    [past] = merged([release_of(4, 10)], runs, APP)
    assert (past.state, past.run) == ("healthy", "a" * 12)


def test_the_release_to_which_a_failed_deploy_rolled_back_is_healthy() -> None:
    failed = run_of("c" * 12, 30, "failed", "v5")
    [own] = failed.targets
    rolled_back = failed._replace(targets=(own._replace(is_rolled_back=True, rolled_back_to="v4"),))
    returned = release_of(6, 30, is_current=True)._replace(returns_to="v4")
    states = {runs: merged([returned, release_of(5, 30)], [runs], APP) for runs in (failed, rolled_back)}
    assert [past.state for past in states[rolled_back]] == ["healthy", "failed"]
    assert [past.state for past in states[failed]] == ["begun", "failed"], "without a rollback that succeeded"


def test_the_run_of_another_place_says_nothing() -> None:
    [past] = merged([release_of(4, 50)], [run_of("a" * 12, 10, "healthy", "v4", "app other")], APP)
    assert (past.state, past.run) == ("unknown", "")


def test_a_state_that_the_place_tells_stays() -> None:
    recorded = PastRelease("a" * 12, "healthy", "a" * 12, "2026-01-31T12:10:00Z", commit="bead")
    [past] = merged([recorded], [run_of("a" * 12, 10, "failed", "")], APP)
    assert (past.state, past.commit) == ("healthy", "bead")


def test_the_history_has_every_run_once_and_marks_what_runs_now() -> None:
    place = PlaceHistory("heroku", APP.identity, "shop", "production", merged(RELEASES, RUNS, APP))
    rows = joined(RUNS, [place])
    assert [
        (run.run[:1], run.state, run.by, [(own.version, own.is_current) for own in run.targets]) for run in rows
    ] == [
        ("", "unknown", "ada@x", [("v6", False)]),
        ("c", "failed", "ada@x", [("v5", False)]),
        ("b", "done", "", [("v4", False)]),
        ("a", "done", "ada@x", [("v4", True)]),
        ("", "unknown", "ada@x", [("v2", False)]),
    ]


def test_a_run_of_another_machine_has_all_of_its_targets() -> None:
    past = PastRelease("d" * 12, "healthy", "d" * 12, "2026-01-31T12:10:00Z", by="ada@x", commit="c0ffee")
    back = past._replace(version="e" * 12, run="e" * 12, released_at="2026-01-31T12:20:00Z", returns_to="c" * 12)
    places = [PlaceHistory(name, name, "shop", "production", (back, past)) for name in ("one", "two")]
    rows = joined((), places)
    assert [(run.run[:1], run.command, run.commit, [own.name for own in run.targets]) for run in rows] == [
        ("e", "rollback", "c0ffee", ["one", "two"]),
        ("d", "deploy", "c0ffee", ["one", "two"]),
    ]


def test_a_run_of_this_machine_is_by_whom_the_place_says() -> None:
    recorded = PastRelease("a" * 12, "healthy", "a" * 12, "2026-01-31T12:10:00Z", 4.5, by="ada@x")
    place = PlaceHistory("heroku", APP.identity, "shop", "production", [recorded])
    [run] = joined([run_of("a" * 12, 10, "healthy", "")], [place])
    assert (run.by, run.targets[0].elapsed_s) == ("ada@x", 4.5)


def test_a_run_without_a_journal_took_as_long_as_its_slowest_target() -> None:
    past = PastRelease("d" * 12, "healthy", "d" * 12, "2026-01-31T12:10:00Z")
    places = [
        PlaceHistory(name, name, "shop", "production", (past._replace(elapsed_s=took_s),))
        for name, took_s in (("one", 4.0), ("two", 7.5), ("three", None))
    ]
    [run] = joined((), places)
    assert [own.elapsed_s for own in run.targets] == [4.0, 7.5, None]
    assert run.elapsed_s == 7.5
    assert run_of("a" * 12, 10, "healthy", "v4").elapsed_s == 30.0
    lost = run._replace(state="lost")
    strange = run._replace(ended_at="yesterday")
    mixed = run._replace(ended_at="2026-01-31T12:10:00")
    assert [other.elapsed_s for other in (lost, strange, mixed)] == [None, None, None]


def test_a_run_that_the_journal_and_the_state_have_keeps_who_made_it() -> None:
    own, other = run_of("a" * 12, 10, "healthy", "v4"), run_of("b" * 12, 20, "healthy", "v5")
    shared = (own._replace(by="ada@x", targets=()), other)
    assert with_shared((own,), shared) == (other, own._replace(by="ada@x"))


def test_a_rollback_that_failed_is_no_deploy_that_was_rolled_back() -> None:
    recorded = PastRelease("b" * 12, "failed", "b" * 12, returns_to="a" * 12, command="rollback")
    place = PlaceHistory("heroku", APP.identity, "shop", "production", [recorded])
    [run] = joined([], [place])
    [own] = run.targets
    assert (run.command, run.state, own.is_rolled_back, own.rolled_back_to) == ("rollback", "failed", False, "")


def told_by(past: PastRelease, *runs: PastRun) -> tuple[str, list[tuple[str, str, str]]]:
    """State of the run, and version, state and state of the release of its targets, as `shipit history` lists it."""
    place = PlaceHistory("heroku", APP.identity, "shop", "production", merged([past], runs, APP))
    run = joined(runs, [place])[-1]
    return run.state, [(own.version, own.state, own.release_state) for own in run.targets]


def test_a_run_that_failed_and_whose_release_was_verified_since_is_told_alike_by_every_machine() -> None:
    name = "a" * 12
    mended = PastRelease(
        name, "healthy", name, "2026-01-31T12:10:00Z", 4.5, run_state="failed", reason="web crashed", is_current=True
    )
    failed = run_of(name, 10, "failed", name)
    expected = ("failed", [(name, "failed", "healthy")])
    assert told_by(mended) == told_by(mended, failed) == expected
    before = mended._replace(run_state="", reason="")
    assert told_by(before, failed) == expected, "a record that an older shipit wrote"
    [run] = joined((), [PlaceHistory("heroku", APP.identity, "shop", "production", [mended])])
    assert run.targets[0].reason == "web crashed" and run.targets[0].is_current


def test_a_run_without_an_end_whose_release_was_verified_since_is_told_alike_by_every_machine() -> None:
    name = "a" * 12
    mended = PastRelease(name, "healthy", name, "2026-01-31T12:10:00Z", run_state="lost")
    killed = run_of(name, 10, "", "")._replace(state="lost", ended_at="", exit_code=None)
    assert told_by(mended) == told_by(mended, killed) == ("lost", [(name, "healthy", "")])


def test_a_run_of_another_machine_has_failed_where_one_of_its_targets_has() -> None:
    past = PastRelease("d" * 12, "healthy", "d" * 12, "2026-01-31T12:10:00Z")
    for states, expected in (
        (("healthy", "failed"), "failed"),
        (("failed", "healthy"), "failed"),
        (("failed", "begun", "healthy"), "lost"),
        (("healthy", "healthy"), "done"),
    ):
        places = [
            PlaceHistory(str(at), str(at), "shop", "production", [past._replace(state=state)])  # type: ignore[arg-type]
            for at, state in enumerate(states)
        ]
        [run] = joined((), places)
        assert run.state == expected, states


def test_a_release_that_runs_is_told_by_its_own_version() -> None:
    """A return of `rollback: all` that was stopped: Heroku has a release of it, and the run ended with another one."""
    name = "a" * 12
    stopped = run_of(name, 10, "healthy", "v3")._replace(state="interrupted")
    returned = release_of(4, 10, is_current=True)._replace(returns_to="v2")
    releases = merged([returned, release_of(3, 10), release_of(2, 1)], [stopped], APP)
    run, _ = joined([stopped], [PlaceHistory("heroku", APP.identity, "shop", "production", releases)])
    assert [
        (own.version, own.state, own.is_current, own.is_rolled_back, own.rolled_back_to) for own in run.targets
    ] == [
        ("v3", "healthy", False, False, ""),
        ("v4", "", True, True, "v2"),
    ]


def test_what_a_deploy_rolled_back_to_runs_now() -> None:
    failed = run_of("a" * 12, 10, "failed", "v3")
    [own] = failed.targets
    failed = failed._replace(targets=(own._replace(is_rolled_back=True, rolled_back_to="v2"),))
    returned = release_of(4, 10, is_current=True)._replace(returns_to="v2")
    releases = merged([returned, release_of(3, 10), release_of(2, 1)], [failed], APP)
    run, _ = joined([failed], [PlaceHistory("heroku", APP.identity, "shop", "production", releases)])
    assert [(own.version, own.rolled_back_to, own.is_current) for own in run.targets] == [("v3", "v2", True)]
