"""Past runs as people read them."""

from __future__ import annotations

from shipit.events import Difference, ReleaseDiff
from shipit.history.statistics import command_statistics
from shipit.past_run import CommandStatistics, PastRun, PastTarget
from shipit.report.history_text import render_diffs, render_release, render_run, render_runs, render_statistics

AT = "2026-01-31T12:00:00.000Z"
NOW_S = 1_769_860_800 + 3600
DONE = PastRun(
    "3f9c2ab41d77", "deploy", "shop", "production", AT, "done", "2026-01-31T12:00:09.000Z", 0, "c0ffee" * 6, "main", 3,
    "2 of 2 targets healthy", (PastTarget("k8s", "namespace shop", "healthy"), PastTarget("hub", "", "unchanged")),
)  # fmt: skip
ROLLED_BACK = DONE._replace(
    state="failed", summary="1 of 1 targets failed", targets=(PastTarget("k8s", "", "failed", is_rolled_back=True),)
)
LOST = DONE._replace(
    state="lost", ended_at="", exit_code=None, summary="", begun=("k8s: create Deployment web",), commit=""
)


def test_the_table() -> None:
    assert list(render_runs([DONE, ROLLED_BACK, LOST], NOW_S)) == [
        "RUN           AGE  COMMAND  ENVIRONMENT  COMMIT   TOOK  RESULT  TARGETS",
        "3f9c2ab41d77  1h   deploy   production   c0ffeec  9.0s  done    k8s healthy, hub unchanged",
        "3f9c2ab41d77  1h   deploy   production   c0ffeec  9.0s  failed  k8s failed, rolled back",
        "3f9c2ab41d77  1h   deploy   production                  no end  k8s healthy, hub unchanged",
    ]
    current = PastTarget("heroku", "app shop", "healthy", version="v12", is_current=True)
    elsewhere = PastRun(
        "", "", "shop", "production", AT, "unknown", by="ada@x", targets=(current._replace(state="", elapsed_s=125.4),)
    )
    assert list(render_runs([DONE._replace(by="bob@y", targets=(current,)), elsewhere], NOW_S)) == [
        "RUN           AGE  COMMAND  ENVIRONMENT  COMMIT   BY     TOOK   RESULT   TARGETS",
        "3f9c2ab41d77  1h   deploy   production   c0ffeec  bob@y  9.0s   done     heroku v12 healthy, runs now",
        "-             1h            production            ada@x  2m05s  unknown  heroku v12, runs now",
    ]
    mended = ROLLED_BACK._replace(targets=(current._replace(state="failed", release_state="healthy"),))
    assert list(render_runs([mended], NOW_S))[1].endswith("  failed  heroku v12 failed, release healthy, runs now")
    assert list(render_release(elsewhere))[2] == "heroku v12, runs now, took 2m05s"
    assert list(render_runs([], NOW_S)) == ["nothing was released or changed yet"]


def test_the_summary_of_each_command() -> None:
    runs = [DONE, ROLLED_BACK, DONE._replace(ended_at="2026-01-31T12:02:05.000Z"), LOST]
    runs += [DONE._replace(state="running", ended_at=""), LOST._replace(command="scale")]
    found = command_statistics(runs)
    assert found == (CommandStatistics("deploy", 4, 1, 9.0, 125.0), CommandStatistics("scale", 1, 0))
    assert list(render_statistics(found)) == [
        "",
        "COMMAND  RUNS  FAILED    MEDIAN  LONGEST",
        "deploy   4     1 (25 %)  9.0s    2m05s",
        "scale    1     0 (0 %)",
    ]
    assert list(render_statistics(())) == []


def test_many_targets_are_grouped_by_result() -> None:
    targets = [PastTarget(f"t{number}", state="healthy", is_current=True) for number in range(40)]
    targets[3], targets[7] = PastTarget("t3", state="failed"), PastTarget("t7", state="failed")
    [_, row] = render_runs([DONE._replace(targets=tuple(targets))], NOW_S)
    assert row.endswith("  done    38 healthy, runs now; t3, t7 failed")


def test_one_run() -> None:
    assert list(render_run(DONE)) == [
        "run 3f9c2ab41d77: deploy shop (production) of c0ffeec on main",
        "started 2026-01-31T12:00:00.000Z, done 2026-01-31T12:00:09.000Z after 9.0s: 2 of 2 targets healthy",
        "",
    ]
    assert list(render_run(LOST))[1:] == [
        "started 2026-01-31T12:00:00.000Z, no end: it was killed, or still runs on another machine",
        "not ended: k8s: create Deployment web",
        "",
    ]
    assert list(render_run(DONE._replace(by="ada@x")))[1].startswith("started 2026-01-31T12:00:00.000Z by ada@x, done")
    assert list(render_run(DONE._replace(state="running", ended_at="")))[1].endswith("still running")


def test_no_control_character_reaches_the_terminal() -> None:
    text = "\x1b[31m\n\r\x07"
    hostile = PastRun(
        text,
        text,
        text,
        text,
        text,
        "lost",
        commit=text,
        branch=text,
        begun=(text,),
        targets=(PastTarget(text, text, text),),
    )
    diff = ReleaseDiff(
        text, text, text, (Difference(text, text), Difference(text, "", text), Difference(text, text, "b"))
    )
    statistics = render_statistics(command_statistics([hostile]))
    shown = (
        *statistics,
        *render_runs([hostile], NOW_S),
        *render_run(hostile),
        *render_release(hostile),
        *render_diffs([diff]),
    )
    for line in shown:
        assert line.isprintable(), line
