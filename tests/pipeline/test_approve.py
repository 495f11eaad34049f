"""Approvals: who may approve, what is not changed without one, and what is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import pytest

from shipit.errors import UsageError
from shipit.events import Approved, PlanMade
from shipit.pipeline.flow import deploy, plan
from shipit.pipeline.promise import promise
from shipit.pipeline.run import Run
from shipit.release import Plan
from tests.pipeline.bench import Bench

TOKEN = "token-of-a-protected-environment-4711"
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()
KEY = "key-of-several-machines-4711-4711-4711"


def approved(bench: Bench) -> list[tuple[str, str, str]]:
    return [(event.target, event.name, event.how) for event in bench.events if isinstance(event, Approved)]


def typing(*names: str) -> Callable[[Plan, str], bool]:
    """A person who types these names, and no others."""
    return lambda plan, name: name in names


def everything(bench: Bench, approve: object) -> None:
    bench.text += f"targets: {{}}\nenvironments: {{production: {{inherit: true, approve: {approve}}}}}\n".replace(
        "'", '"'
    )


def test_nothing_is_changed_without_an_approval_and_yes_is_none(bench: Bench) -> None:
    everything(bench, "true")
    in_memory = bench.add("one")
    run = bench.run()
    run.confirm = lambda plan, reasons: True
    with pytest.raises(UsageError, match="the environment production is changed only with an approval") as caught:
        deploy(run)
    assert caught.value.hint == "type its name at a terminal, or deploy a plan that was saved with SHIPIT_PLAN_KEY"
    assert in_memory.writes == [] and not bench.registry.blobs, "nothing is uploaded, either"
    assert not approved(bench)


def test_the_plan_says_that_it_needs_an_approval(bench: Bench) -> None:
    bench.add("one", approve=True)
    bench.add("two", approve=False)
    plan(bench.run())
    [made] = bench.of(PlanMade)
    assert isinstance(made, PlanMade)
    assert [target.notes for target in made.plan.targets] == [("is changed only with an approval",), ()]


def test_a_person_types_the_name_of_each_target_that_changes(bench: Bench) -> None:
    bench.add("one", approve=True)
    bench.add("two", approve=True)
    run = bench.run()
    run.approve = typing("one")
    with pytest.raises(UsageError, match="the target two is changed only with an approval"):
        deploy(run)
    run.close()
    run = bench.run()
    run.approve = typing("one", "two")
    assert deploy(run) == 0
    how = "by its name, typed at a terminal"
    assert approved(bench) == [("one", "one", how), ("two", "two", how)]
    assert deploy(bench.run()) == 0, "an unchanged deploy needs none"
    assert approved(bench) == []


def test_what_was_approved_is_not_asked_about_again(bench: Bench) -> None:
    bench.add("one", approve=True, protected=True)
    bench.add("two", protected=True)
    run, asked = bench.run(), list[str]()
    run.approve = typing("one")

    def agree(plan: Plan, reasons: Sequence[str]) -> bool:
        asked.extend(reasons)
        return True

    run.confirm = agree
    assert deploy(run) == 0
    assert asked == ["two is protected"]


@pytest.mark.parametrize("where", ["environment", "target"])
def test_a_token_approves_where_its_digest_is_in_the_file(bench: Bench, where: str) -> None:
    approve = {"token_sha256": DIGEST}
    if where == "environment":
        everything(bench, approve)
    bench.add("one", **({} if where == "environment" else {"approve": approve}))
    with pytest.raises(UsageError, match="SHIPIT_APPROVAL is not its token; nothing was changed"):
        deploy(bench.run(SHIPIT_APPROVAL="x" * 32))
    with pytest.raises(UsageError, match="at least 32 characters"):
        deploy(bench.run(SHIPIT_APPROVAL="short"))
    assert deploy(bench.run(SHIPIT_APPROVAL=TOKEN)) == 0
    [(_, name, how)] = approved(bench)
    assert (name, how) == ("production" if where == "environment" else "one", "by the token in SHIPIT_APPROVAL")
    assert TOKEN not in repr(bench.events)


def test_a_token_approves_nothing_that_names_no_digest(bench: Bench) -> None:
    bench.add("one", approve=True)
    with pytest.raises(UsageError, match="not approved"):
        deploy(bench.run(SHIPIT_APPROVAL=TOKEN))


@pytest.mark.parametrize("key", ["", KEY])
def test_a_saved_plan_approves_where_a_shared_key_signed_it(bench: Bench, key: str) -> None:
    everything(bench, "true")
    bench.add("one")
    variables = {"SHIPIT_PLAN_KEY": key} if key else {}
    run = bench.run(**variables)
    saved = promise(run, plan(run, is_deploy=True), 3600)
    run.close()
    run = bench.run(**variables)
    if not key:
        with pytest.raises(UsageError, match="not approved"):
            deploy(run, saved)
        return
    assert deploy(run, saved) == 0
    assert approved(bench) == [("", "production", "by the saved plan, which SHIPIT_PLAN_KEY signed")]


def test_a_saved_plan_of_another_key_than_the_file_names_approves_nothing(bench: Bench) -> None:
    bench.add("one", approve={"plan_key_sha256": hashlib.sha256(KEY.encode()).hexdigest()})
    made_up = {"SHIPIT_PLAN_KEY": KEY.replace("4711", "4712")}
    run = bench.run(**made_up)
    saved = promise(run, plan(run, is_deploy=True), 3600)
    run.close()
    with pytest.raises(UsageError, match="not approved"):
        deploy(bench.run(**made_up), saved)
    run = bench.run(SHIPIT_PLAN_KEY=KEY)
    saved = promise(run, plan(run, is_deploy=True), 3600)
    run.close()
    assert deploy(bench.run(SHIPIT_PLAN_KEY=KEY), saved) == 0


def test_a_saved_plan_does_not_hold_where_the_approval_left_the_file(bench: Bench) -> None:
    bench.add("one", approve=True)
    run: Run = bench.run()
    saved = promise(run, plan(run, is_deploy=True), 3600)
    run.close()
    bench.add("one")
    with pytest.raises(Exception, match="does not hold any more"):
        deploy(bench.run(), saved)
