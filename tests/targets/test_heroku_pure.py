"""Planning and judging a Heroku app: values in, values out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shipit.digest import Digest
from shipit.http.fields import Field
from shipit.release import Seen, State
from shipit.targets.heroku.answers import parse_process, parse_release
from shipit.targets.heroku.judge import judge_heroku
from shipit.targets.heroku.observed import DynoFacts, HerokuObserved, ProcessFacts, ReleaseFacts
from shipit.targets.heroku.plan import plan_heroku
from shipit.targets.heroku.plan_rollback import plan_rollback
from shipit.targets.heroku.steps import DynoScale, ReleaseImages, Scale, SetConfig
from shipit.targets.heroku.streams import parse_log
from shipit.targets.heroku.token import Token, find_token
from shipit.targets.heroku.wanted import Wanted
from tests.runs import environment

OLD, NEW = Digest("sha256:" + "a" * 64), Digest("sha256:" + "b" * 64)
IDLE = HerokuObserved("app", "container", "cedar", False, "", {}, {}, (ReleaseFacts("1", 1, "succeeded"),), ())


def observed(
    *,
    image: Digest | None = OLD,
    version: int = 1,
    status: str = "succeeded",
    dynos: tuple[DynoFacts, ...] = (),
    quantity: int = 1,
) -> HerokuObserved:
    formation = {"web": ProcessFacts(quantity, "Basic", image)} if image else {}
    releases = tuple(ReleaseFacts(str(n), n, status if n == version else "succeeded") for n in range(version, 0, -1))
    return IDLE._replace(formation=formation, releases=releases, dynos=dynos)


def wanted(image: Digest = NEW, **changes: object) -> Wanted:
    base = Wanted({"web": image}, {}, {}, {}, {}, {})
    return replace(base, **changes)  # type: ignore[arg-type]


def test_nothing_to_do() -> None:
    assert plan_heroku(wanted(OLD), observed()) == ()


def test_a_first_release() -> None:
    [step] = plan_heroku(wanted(), IDLE)
    assert step == ReleaseImages(
        "release",
        "release web",
        (f"web  none -> {'b' * 12}",),
        effect="create",
        app="",
        baseline=1,
        images={"web": "b" * 12},
        updates={"web": NEW},
    )


def test_config_comes_first_and_hides_secrets() -> None:
    steps = plan_heroku(
        wanted(env={"MODE": "x", "SAME": "y"}, env_marks={"MODE": "m1", "SAME": "m2"}, secret_marks={"TOKEN": "t1"}),
        observed()._replace(config_marks={"SAME": "m2", "TOKEN": "t0", "OTHERS": "z"}),
    )
    assert [step.summary for step in steps] == ["set MODE, TOKEN", "release web"]
    assert steps[0].detail == (
        "MODE=x",
        "TOKEN (secret)",
        "SHIPIT_VARIABLES lists the variables that shipit has set",
        "release 1 of 2, without a release command",
    )
    assert isinstance(steps[0], SetConfig)
    assert (steps[0].variables, steps[0].secrets, steps[0].removed) == ({"MODE": "m1"}, {"TOKEN": "t1"}, ())
    assert steps[0].owned == ("MODE", "TOKEN")
    assert steps[1].detail[-1] == "release 2 of 2, without a release command"


def test_one_release_for_all_stale_types_and_the_release_phase() -> None:
    images = {"web": NEW, "worker": OLD, "release": NEW}
    now = observed()._replace(formation={"web": ProcessFacts(1, "Basic", OLD), "worker": ProcessFacts(0, "Basic", OLD)})
    [step] = plan_heroku(wanted(images=images), now)
    assert step.summary == "release release, web"
    assert step.detail[-1] == "runs the release command in bbbbbbbbbbbb first; if it fails, what runs now stays"


def test_quantities_and_sizes_come_last() -> None:
    [step] = plan_heroku(wanted(OLD, quantities={"web": 3}, sizes={"web": "standard-1x"}), observed())
    assert step.detail == ("web  1 -> 3 dynos", "web  Basic -> standard-1x")
    assert isinstance(step, Scale)
    assert step.processes == {"web": DynoScale(3, "standard-1x")}
    assert step.undo == "heroku ps:scale web=1:Basic"


def up(version: int, state: str = "up", name: str = "web.1") -> DynoFacts:
    return DynoFacts(name, "web", state, version)


@pytest.mark.parametrize(
    ("now", "stalled_s", "state", "reason"),
    [
        (observed(image=NEW, version=2, dynos=(up(2),)), 0, State.HEALTHY, "v2: web 1 up"),
        (observed(image=NEW, version=2, quantity=0), 0, State.HEALTHY, "v2: web scaled to 0"),
        (observed(image=NEW, version=2, dynos=(up(2, "starting"),)), 0, State.WAITING, "web 0 of 1 up (starting)"),
        (observed(image=NEW, version=2, dynos=(up(1),)), 0, State.WAITING, "web 0 of 1 up"),
        (observed(image=NEW, version=2, dynos=(up(2, "crashed"),)), 0, State.FAILED, "web.1 crashed at v2"),
        (
            observed(image=NEW, version=2, dynos=(up(2, "starting"),)),
            91,
            State.FAILED,
            "web 0 of 1 up (starting) for 91 s",
        ),
        (observed(image=OLD, version=2, status="pending"), 300, State.WAITING, "release v2 is pending"),
        (
            observed(image=OLD, version=2, status="failed", dynos=(up(1),)),
            0,
            State.FAILED,
            "release v2 failed; as many dynos are up as before",
        ),
        (observed(image=OLD, version=2, status="failed"), 0, State.FAILED, "release v2 failed"),
        (
            observed(image=OLD, version=3),
            0,
            State.FAILED,
            f"web runs {'a' * 12}, not {'b' * 12}: someone else released v3",
        ),
        (observed(image=None, version=2), 0, State.FAILED, "the formation has no process type web"),
    ],
)
def test_verdicts(now: HerokuObserved, stalled_s: float, state: State, reason: str) -> None:
    before = observed()
    verdict = judge_heroku(wanted(), now, Seen(1000, 0, 1000 - stalled_s, before, before), pending_s=30)
    assert (verdict.state, verdict.reason) == (state, reason)


@pytest.mark.parametrize("image", [OLD, None])
def test_a_release_that_a_killed_run_left_pending_is_waited_for(image: Digest | None) -> None:
    pending = ReleaseFacts("r2", 2, "pending", f"Deployed release ({'c' * 12}), web ({'b' * 12})")
    before = observed(image=image)._replace(releases=(pending,))
    now = before._replace(releases=(ReleaseFacts("r3", 3, "succeeded", f"Deployed release ({'d' * 12})"), pending))
    verdict = judge_heroku(wanted(), now, Seen(1000, 0, 1000, before, before), pending_s=30)
    assert (verdict.state, verdict.reason) == (State.WAITING, "release v2 of an earlier run is pending")
    failed = now._replace(releases=(now.releases[0], pending._replace(status="failed")))
    assert judge_heroku(wanted(), failed, Seen(1000, 0, 1000, before, before), pending_s=30).state is State.FAILED


def test_answers_of_the_api_are_parsed() -> None:
    process = {
        "id": "01",
        "type": "web",
        "quantity": 2,
        "size": "Standard-1X",
        "docker_image": {"id": NEW},
        "command": "x",
    }
    assert parse_process(Field(process, "GET x")) == ProcessFacts(2, "Standard-1X", NEW)
    assert parse_process(Field({"type": "web", "quantity": 1, "size": "Basic"}, "GET x")).image is None
    release = {
        "id": "uuid",
        "version": 12,
        "status": "pending",
        "description": "Deployed web (abc)",
        "output_stream_url": "https://x",
    }
    assert parse_release(Field(release, "GET x")) == ReleaseFacts(
        "uuid", 12, "pending", "Deployed web (abc)", "https://x"
    )


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_the_token_comes_from_where_the_cli_keeps_it(tmp_path: Path) -> None:
    path = f"{tmp_path}/bin:/usr/bin:/bin"
    assert find_token(environment(tmp_path)) is None
    _program(tmp_path, "heroku", 'echo "Warning: expires" >&2; echo from-cli')
    assert find_token(environment(tmp_path, PATH=path)) == Token("from-cli", "heroku auth:token")
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine api.heroku.com\n  login me@example.com\n  password from-netrc\n")
    netrc.chmod(0o600)
    assert find_token(environment(tmp_path, PATH=path)) == Token("from-netrc", str(netrc))
    _program(tmp_path, "secret-tool", '[ "$3 $5" = "heroku-cli me@example.com" ] && echo from-keychain')
    assert find_token(environment(tmp_path, PATH=path)) == Token("from-netrc", str(netrc))
    state = tmp_path / ".local/share/heroku/login.json"
    state.parent.mkdir(parents=True)
    state.write_text('{"account": "me@example.com"}')
    kept = Token("from-keychain", "the keychain's me@example.com")
    assert find_token(environment(tmp_path, PATH=path)) == kept
    assert find_token(environment(tmp_path, PATH=path, HEROKU_NETRC_WRITE="true")) == Token("from-netrc", str(netrc))
    found = find_token(environment(tmp_path, PATH=path, HEROKU_API_KEY="from-variable"))
    assert found == Token("from-variable", "HEROKU_API_KEY")
    assert "from-variable" not in repr(found)


def test_places_that_are_broken_hold_no_token(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine [")
    _program(tmp_path, "heroku", "echo not logged in >&2; exit 100")
    assert find_token(environment(tmp_path, PATH=f"{tmp_path}/bin:/usr/bin:/bin")) is None


def test_a_log_comes_plain_or_as_events() -> None:
    assert list(parse_log(["one", "", "two"], is_events=False)) == ["one", "two"]
    events = ["id: 1", "data: one", "", "id: 2", "data:two", ""]
    assert list(parse_log(events, is_events=True)) == ["one", "two"]


LOCKED = observed()._replace(releases=(ReleaseFacts("1", 1, "succeeded", is_eligible=False),))


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (observed(), observed(), []),
        (observed(), observed(image=NEW, version=2), ["roll back to v1"]),
        (observed(), observed(version=2, status="failed"), []),
        (observed(), observed(version=2)._replace(config_marks={"MODE": "m"}), ["restore MODE"]),
        (observed(), observed(image=NEW, version=2, quantity=3), ["roll back to v1", "scale web"]),
        (observed(), observed(image=Digest("sha256:" + "f" * 64), version=3), []),
        (IDLE, observed(image=NEW, version=2), []),
        (LOCKED, observed(image=NEW, version=2), []),
        (observed(version=2, status="failed"), observed(image=NEW, version=3), ["roll back to v1"]),
    ],
    ids=[
        "same",
        "released",
        "release-failed",
        "config",
        "scaled",
        "foreign",
        "first",
        "not-eligible",
        "after-a-failed-one",
    ],
)
def test_rollback_plans(before: HerokuObserved, now: HerokuObserved, expected: list[str]) -> None:
    assert [step.summary for step in plan_rollback(before, now, {"web": NEW}, ["MODE"])] == expected
