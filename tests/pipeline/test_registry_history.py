"""A registry takes part in the history, and a rollback moves its tags back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.digest import Digest
from shipit.envelope import Envelope
from shipit.errors import Interrupted, UsageError
from shipit.events import Event, StepDone, StepStarted, TargetFinished, Warned
from shipit.history.journal import Journal
from shipit.past_release import PastRelease
from shipit.pipeline.flow import deploy, push
from shipit.pipeline.lock_errors import Locked
from shipit.pipeline.locks import RunLocks
from shipit.pipeline.releases import known_releases
from shipit.pipeline.return_to_release import rollback
from shipit.pipeline.run import Run
from shipit.reference import ImageRef, parse_reference
from shipit.rehearsal.memory.config import MemoryConfig
from shipit.rehearsal.memory.place import InMemoryPlace
from shipit.rehearsal.memory.target import MemoryTarget
from shipit.rehearsal.registry import EmbeddedRegistry
from shipit.rehearsal.server import Request, Response
from shipit.release import PublishedImage
from shipit.targets.history import records_published
from shipit.targets.registry.recorded import OCI
from shipit.targets.registry.records import KEPT_RUNS, Record, Source, parse_index, render_index
from tests import runs
from tests.servers.install import crane
from tests.servers.registry import RegistryServer

_IMAGE = "application/vnd.oci.image.manifest.v1+json"


class Bench:
    def __init__(self, folder: Path, host: str, name: str = "shop") -> None:
        self.folder, self.host, self.name = folder, host, name
        self.target = "{}"
        self.events: list[Event] = []
        self.clock = runs.FakeClock()

    def run(self, text: str = "") -> Run:
        if text:
            (self.folder / "hello.txt").write_text(text)
        environment = runs.environment(self.folder)
        image = f"{{repository: {self.host}/{self.name}, tags: [latest], build: .}}"
        file = f"app: shop\nimage: {image}\ntargets: {{hub: {self.target}}}\n"
        self.events.clear()
        self.clock.sleep(1)
        return runs.run(runs.project(self.folder, file, environment), environment, self.events, clock=self.clock)

    def history(self) -> tuple[PastRelease, ...]:
        run = self.run()
        return known_releases(run, run.targets)["hub"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with EmbeddedRegistry() as server:
        yield Bench(tmp_path, server.host)


class _WithoutIndexes(EmbeddedRegistry):
    """Stores manifests of images only, as old registries do."""

    def answer(self, request: Request) -> Response:
        if request.method == "PUT" and "image.index" in request.headers.get("content-type", ""):
            return Response(400, b'{"errors": [{"code": "MANIFEST_INVALID"}]}')
        return super().answer(request)


def _ref(bench: Bench) -> ImageRef:
    return parse_reference(f"{bench.host}/{bench.name}")


def latest(bench: Bench) -> str:
    run = bench.run()
    observed = run.targets[0].observe(run.session(run.targets[0], is_planning=False))
    return str(observed.manifests[f"{bench.host}/{bench.name} latest"])


def test_each_deploy_is_a_release_and_an_unchanged_one_is_none(bench: Bench) -> None:
    run = bench.run("one")
    assert deploy(run) == 0
    [first] = bench.history()
    assert (first.run, first.state, first.command, first.is_current) == (run.id, "healthy", "deploy", True)
    assert first.by and "@" not in first.by
    assert [image.tags for image in first.images] == [("latest",)]
    assert deploy(bench.run("one")) == 0
    assert len(bench.history()) == 1
    pushed = bench.run("two")
    push(pushed)
    assert [(past.run, past.is_current) for past in bench.history()] == [(pushed.id, True), (run.id, False)]


def test_a_push_fails_while_another_run_holds_the_lock_of_its_registry(bench: Bench) -> None:
    held = bench.run("one")
    held.journal = Journal(bench.folder)
    locks = RunLocks(held)
    held.announce("deploy")
    locks.take(held.targets)
    run = bench.run("one")
    run.journal = Journal(bench.folder)
    with pytest.raises(Locked, match=f"it is locked by deploy {held.id}"):
        push(run)
    locks.give_back()
    run = bench.run("one")
    run.journal = Journal(bench.folder)
    push(run)
    assert run.locks is None, "it is given back at the end"


def test_without_history_no_record_is_left(bench: Bench) -> None:
    bench.target = "{history: false}"
    assert deploy(bench.run("one")) == 0
    assert bench.history() == ()


def test_a_rollback_moves_the_tags_to_the_release_before(bench: Bench) -> None:
    digests = []
    for text in ("one", "two", "three"):
        assert deploy(bench.run(text)) == 0
        digests.append(latest(bench))
    assert rollback(bench.run()) == 0
    assert latest(bench) == digests[1]
    newest, *_ = bench.history()
    assert newest.command == "rollback" and newest.is_current and newest.images
    assert rollback(bench.run()) == 0
    assert latest(bench) == digests[0], "the one before what was returned to"
    with pytest.raises(UsageError, match="there is nothing to roll back to"):
        rollback(bench.run())
    third = bench.history()[2]
    assert rollback(bench.run(), third.run) == 0
    assert latest(bench) == digests[2]


def test_after_good_bad_bad_the_tags_and_the_target_beside_them_are_those_of_the_good_release(bench: Bench) -> None:
    place, config = InMemoryPlace(), MemoryConfig.model_validate({"settle": "0s"})

    def run(text: str = "") -> Run:
        made = bench.run(text)
        [use] = made.targets[0].images()
        made.targets = [*made.targets, MemoryTarget("app", place, [use], config)]
        return made

    assert deploy(run("good")) == 0
    good, image = latest(bench), place.images["shop"]
    place.fails = "judge"
    for text in ("bad", "bad again"):
        assert deploy(run(text)) == 1
        assert latest(bench) == good, "a tag never names what failed"
        assert place.images["shop"] != image
    place.fails = ""
    assert rollback(run()) == 0
    said = [event.message for event in bench.events if isinstance(event, Warned) and event.target == "hub"]
    assert (latest(bench), place.images["shop"]) == (good, image)
    assert len(said) == 1 and said[0].startswith("it is left as it is: there is nothing to roll back to"), said
    assert [(past.state, past.is_current) for past in bench.history()] == [("healthy", True)]


def test_tags_that_a_failed_deploy_did_not_move_stay_where_they_are(bench: Bench) -> None:
    place, config = InMemoryPlace(), MemoryConfig.model_validate({"settle": "0s"})

    def run(text: str = "") -> Run:
        made = bench.run(text)
        [use] = made.targets[0].images()
        made.targets = [*made.targets, MemoryTarget("app", place, [use], config)]
        return _with_journal(bench, made)

    for text in ("old", "good"):
        made = run(text)
        assert deploy(made) == 0
        _close(made)
    good = (latest(bench), place.images["shop"])
    place.fails = "judge"
    made = run("bad")
    assert deploy(made) == 1
    _close(made)
    place.fails = ""
    made = run()
    assert rollback(made) == 0
    _close(made)
    said = [event.message for event in bench.events if isinstance(event, Warned) and event.target == "hub"]
    assert (latest(bench), place.images["shop"]) == good
    assert len(said) == 1 and "it still has the release of the run" in said[0], said


@pytest.mark.parametrize("stopped_at", [StepStarted, StepDone])
def test_a_rollback_that_was_killed_is_completed_without_a_name(
    bench: Bench, stopped_at: type[StepStarted | StepDone]
) -> None:
    """Only a rollback that went well is recorded beside the images: the journal has the version."""
    for text in ("one", "two", "three"):
        assert deploy(bench.run(text)) == 0
    first, run = bench.history()[2], bench.run()

    def stop(event: Event) -> None:
        if isinstance(event, stopped_at) and event.step.target == "hub":
            raise Interrupted

    runs.react(run, stop)
    with pytest.raises(Interrupted):
        rollback(_with_journal(bench, run), first.run)
    _close(run)
    again = _with_journal(bench, bench.run())
    assert rollback(again) == 0
    assert latest(bench) == first.images[0].reference.rpartition("@")[2]
    _close(again)


def _with_journal(bench: Bench, run: Run) -> Run:
    tell, journal = run.tell, Journal(bench.folder)

    def both(envelope: Envelope) -> None:
        journal(envelope)
        tell(envelope)

    run.journal, run.tell = journal, both
    return run


def _close(run: Run) -> None:
    run.close()
    assert run.journal is not None
    run.journal.close()


def test_a_tag_that_someone_moves_after_the_plan_stays(bench: Bench) -> None:
    for text in ("one", "two", "three"):
        assert deploy(bench.run(text)) == 0
    other, run = bench.history()[2].images[0].reference.rpartition("@")[2], bench.run()
    moved: list[bool] = []

    def move(event: Event) -> None:
        if type(event).__name__ == "StepStarted" and not moved:
            moved.append(True)
            client = run.registries.client(_ref(bench))
            found = client.manifest("shop", other)
            assert found is not None
            client.put_manifest("shop", "latest", found[0], _IMAGE)

    runs.react(run, move)
    assert rollback(run) == 1
    [end] = [event for event in bench.events if isinstance(event, TargetFinished)]
    assert "someone else moved the tag latest to " in end.reason
    assert latest(bench) == other


def test_an_image_that_is_gone_can_not_be_returned_to(bench: Bench) -> None:
    for text in ("one", "two"):
        assert deploy(bench.run(text)) == 0
    run = bench.run()
    first = bench.history()[1]
    digest = first.images[0].reference.rpartition("@")[2]
    run.registries.client(_ref(bench)).delete_manifest("shop", Digest(digest))
    with pytest.raises(Exception, match=f"can't return to {first.version}: .* is not there any more"):
        rollback(bench.run())


def test_only_the_newest_records_stay(bench: Bench) -> None:
    assert deploy(bench.run("one")) == 0
    [first] = bench.history()
    run = bench.run()
    [target] = run.targets
    assert records_published(target)
    for number in range(KEPT_RUNS + 1):
        later = first._replace(
            version=f"{number:012}", run=f"{number:012}", released_at=f"2030-01-01T00:00:{number:02}.000Z"
        )
        target.record_published(later, run.session(target, is_planning=False))
    found = [past.run for past in bench.history()]
    assert found == [f"{number:012}" for number in range(KEPT_RUNS, 0, -1)]
    assert latest(bench) == first.images[0].reference.rpartition("@")[2], "the image stays"


def test_a_tag_that_looks_like_an_old_record_and_names_an_image_deletes_no_image(bench: Bench) -> None:
    assert deploy(bench.run("one")) == 0
    [first] = bench.history()
    run = bench.run()
    client, [target] = run.registries.client(_ref(bench)), run.targets
    assert records_published(target)
    image = client.manifest("shop", "latest")
    assert image is not None
    client.put_manifest("shop", "shipit-production-20000101T000000000Z-aaaaaaaaaaaa", image[0], _IMAGE)
    for number in range(KEPT_RUNS):
        later = first._replace(version=f"{number}", run=f"{number}", released_at=f"2030-01-01T00:00:{number:02}.000Z")
        target.record_published(later, run.session(target, is_planning=False))
    assert latest(bench) == image[1]
    assert len([tag for tag in client.tags("shop").tags if tag.startswith("shipit-production-20")]) == KEPT_RUNS + 1


@pytest.mark.parametrize("reference", ["", "127.0.0.1:1/other@{digest}", "{shop}@../../other", "{shop}@"])
def test_a_forged_record_is_left_out(bench: Bench, reference: str) -> None:
    """A record without images is listed; it is not what the tags name."""
    for text in ("one", "two"):
        assert deploy(bench.run(text)) == 0
    newest, first = bench.history()
    run = bench.run()
    client = run.registries.client(_ref(bench))
    tag = max(tag for tag in client.tags("shop").tags if tag.startswith("shipit-production-"))
    found = client.manifest("shop", tag)
    assert found is not None
    index = json.loads(found[0])
    record = json.loads(index["annotations"]["dev.shipit.release"])
    record["past"] |= {"version": "forged", "run": "forged"}
    [image] = record["past"]["images"]
    digest = image["reference"].rpartition("@")[2]
    forged = {**image, "tags": [], "reference": reference.format(digest=digest, shop=f"{bench.host}/shop")}
    record["past"]["images"] = [forged] if reference else []
    index["annotations"]["dev.shipit.release"] = json.dumps(record)
    client.put_manifest("shop", "shipit-production-99990101T000000000Z-ffffffffffff", json.dumps(index).encode(), OCI)
    current = [past.run for past in bench.history() if past.is_current]
    assert current == [newest.run]
    assert [past.run for past in bench.history()][-2:] == [newest.run, first.run]
    assert ("forged" in {past.run for past in bench.history()}) is not bool(reference)


def test_a_record_with_more_tags_than_anyone_has_is_not_read() -> None:
    digest = Digest.of(b"")
    image = PublishedImage("shop", "linux/amd64", f"registry.example.com/shop@{digest}", digest)
    for count, is_read in ((100, True), (1000, False)):
        tagged = image._replace(tags=tuple(f"v{number}" for number in range(count)))
        record = Record("shop", "production", "registry.example.com/shop", PastRelease("1", images=(tagged,)))
        assert parse_index(render_index(record, (), Source())) == (record if is_read else None)


def test_a_record_that_can_not_be_written_is_a_warning(tmp_path: Path) -> None:
    with _WithoutIndexes() as server:
        bench = Bench(tmp_path, server.host)
        assert deploy(bench.run("one")) == 0
        said = [event.message for event in bench.events if isinstance(event, Warned)]
        assert any("can't be recorded" in text and "shipit rollback of the target" in text for text in said), said
        assert bench.history() == ()


@pytest.mark.registry
@pytest.mark.tools
def test_the_tag_of_a_run_can_be_pulled_and_the_image_keeps_its_digest(
    registry_server: RegistryServer, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, registry_server.host, "records-of-runs")
    assert deploy(bench.run("one")) == 0
    before = latest(bench)
    assert deploy(bench.run("two")) == 0
    assert rollback(bench.run()) == 0
    assert latest(bench) == before
    repository = f"{bench.host}/{bench.name}"

    def ask(*words: str) -> str:
        done = subprocess.run([crane(), *words, "--insecure"], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    assert ask("digest", f"{repository}:latest") == before, "the record does not make another image of it"
    tags = sorted(tag for tag in ask("ls", repository).splitlines() if tag.startswith("shipit-production-"))
    assert len(tags) == 3
    assert ask("digest", "--platform", "linux/amd64", f"{repository}:{tags[0]}") == before
    annotations = json.loads(ask("manifest", f"{repository}:{tags[-1]}"))["annotations"]
    assert {"org.opencontainers.image.created", "dev.shipit.run", "dev.shipit.release"} <= annotations.keys()
    ask("pull", "--platform", "linux/amd64", f"{repository}:{tags[1]}", str(tmp_path / "pulled.tar"))
    assert (tmp_path / "pulled.tar").stat().st_size > 0
