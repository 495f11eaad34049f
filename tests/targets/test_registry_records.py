"""The releases of a registry target: an index for each run, read back as history; tags that return to an earlier release."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shipit.digest import Digest
from shipit.past_release import PastRelease
from shipit.release import PublishedImage, Seen, State, is_run_tag
from shipit.targets.registry.observed import HubTag, RegistryObserved
from shipit.targets.registry.plan import plan_retention
from shipit.targets.registry.records import (
    Child,
    Record,
    Source,
    history_of,
    parse_index,
    render_index,
    run_tag,
    run_tags,
)
from shipit.targets.registry.returning import judge_return, plan_return, recalled_of
from shipit.targets.registry.steps import MoveTags

REPOSITORY = "docker.io/acme/shop"
OLD, NEW, OTHER = (Digest.of(text) for text in (b"old", b"new", b"other"))


def past(run: str, digest: Digest, second: int, *tags: str) -> PastRelease:
    image = PublishedImage("shop", "linux/arm/v7", f"{REPOSITORY}@{digest}", Digest.of(b"config"), tags)
    at = f"2026-01-31T12:00:{second:02}.500Z"
    return PastRelease(run, "healthy", run, at, by="ana", commit="c0ffee", images=(image,), command="deploy")


def record(own: PastRelease, environment: str = "production") -> Record:
    return Record("shop", environment, REPOSITORY, own)


FIRST, SECOND = past("00000000000a", OLD, 1, "aaaaaaa", "latest"), past("00000000000b", NEW, 2, "bbbbbbb", "latest")
CHILD = Child(NEW, 123, "application/vnd.oci.image.manifest.v1+json", "linux/arm/v7")


def test_an_index_names_the_image_as_it_is_and_has_the_annotations_of_oci() -> None:
    data = render_index(record(SECOND), [CHILD], Source("https://git.example.com/shop", "v1.4"))
    index = json.loads(data)
    assert index["manifests"] == [
        {
            "mediaType": CHILD.media_type,
            "digest": NEW,
            "size": 123,
            "platform": {"os": "linux", "architecture": "arm", "variant": "v7"},
        }
    ]
    annotations = index["annotations"]
    assert {name.rpartition(".")[2]: annotations[name] for name in annotations if name.startswith("org.")} == {
        "created": "2026-01-31T12:00:02.500Z",
        "revision": "c0ffee",
        "source": "https://git.example.com/shop",
        "version": "v1.4",
    }
    assert (annotations["dev.shipit.run"], annotations["dev.shipit.by"]) == ("00000000000b", "ana")
    assert parse_index(data) == record(SECOND)
    bare = json.loads(render_index(record(SECOND._replace(commit="")), [CHILD], Source()))
    assert not [name for name in bare["annotations"] if name.endswith(("source", "version", "revision"))]


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b'{"annotations": 1}', b'{"annotations": {"dev.shipit.release": "{}"}}', b'{"schemaVersion": 2}'],
)
def test_any_other_manifest_is_no_record(data: bytes) -> None:
    assert parse_index(data) is None


def test_a_record_with_a_digest_that_is_none_is_left_out() -> None:
    [image] = SECOND.images
    bad = SECOND._replace(images=(image._replace(reference=f"{REPOSITORY}@sha256:../x"),))
    assert parse_index(render_index(record(bad), [CHILD], Source())) is None


def test_a_long_record_goes_without_the_summaries_of_its_steps() -> None:
    long = SECOND._replace(changes=("x" * 50_000,))
    found = parse_index(render_index(record(long), [CHILD], Source()))
    assert found is not None and found.past == SECOND


def test_tags_of_runs_are_in_the_order_of_their_times_and_of_one_environment() -> None:
    names = [run_tag(record(own)) for own in (FIRST, SECOND)]
    assert names[1] == "shipit-production-20260131T120002500Z-00000000000b"
    others = [run_tag(record(SECOND, "staging")), run_tag(record(SECOND, "production-eu")), "latest", "shipit-x"]
    assert run_tags([*names, *others], "production") == names[::-1]
    assert [is_run_tag(tag) for tag in (*names, *others)] == [True, True, True, True, False, False]


def test_the_release_that_the_tags_name_is_the_current_one() -> None:
    named = {f"{REPOSITORY} aaaaaaa": OLD, f"{REPOSITORY} bbbbbbb": NEW, f"{REPOSITORY} latest": NEW}
    records = [record(SECOND), record(FIRST)]
    assert [own.is_current for own in history_of(records, named, 10)] == [True, False]
    named[f"{REPOSITORY} latest"] = OLD
    assert [own.is_current for own in history_of(records, named, 10)] == [False, True]
    named[f"{REPOSITORY} latest"] = OTHER
    unknown, *rest = history_of(records, named, 10)
    assert (unknown.version, unknown.state, unknown.is_current) == (OTHER.short, "unknown", True)
    assert rest == [SECOND, FIRST]
    assert [own.is_current for own in history_of(records, None, 10)] == [False, False]
    assert history_of([], {}, 10) == ()


def test_tags_return_to_what_they_named() -> None:
    recalled = recalled_of(FIRST, [REPOSITORY])
    now = RegistryObserved({f"{REPOSITORY} aaaaaaa": OLD, f"{REPOSITORY} latest": NEW})
    [step] = plan_return(recalled, now)
    assert isinstance(step, MoveTags) and (step.digest, step.before) == (OLD, {"latest": NEW})
    assert step.summary == f"move latest of {REPOSITORY} to {OLD.short}"
    assert step.detail == (f"latest  {NEW.short} -> {OLD.short}",)
    seen = Seen(0, 0, 0, now, now)
    assert judge_return(recalled, now, seen).state is State.WAITING
    back = now._replace(manifests={**now.manifests, f"{REPOSITORY} latest": OLD})
    assert judge_return(recalled, back, seen).state is State.HEALTHY and plan_return(recalled, back) == ()
    moved = now._replace(manifests={**now.manifests, f"{REPOSITORY} latest": OTHER})
    verdict = judge_return(recalled, moved, seen)
    assert verdict.state is State.FAILED and verdict.superseded_by == "someone else"
    assert recalled_of(FIRST, ["docker.io/acme/other"]).tags == {}


def test_keep_tags_leaves_the_tags_of_runs_to_themselves() -> None:
    tags = [HubTag(run_tag(record(own)), f"2026-01-0{day}") for day, own in enumerate((FIRST, SECOND), 1)]
    tags += [HubTag(f"v{day}", f"2026-01-0{day}") for day in (1, 2, 3)]
    step = plan_retention(REPOSITORY, 2, (), tags)
    assert step is not None and step.tags == ("v1",)


def test_a_step_of_another_repository_or_with_a_bad_tag_is_told() -> None:
    [step] = plan_return(recalled_of(FIRST, [REPOSITORY]), RegistryObserved({f"{REPOSITORY} aaaaaaa": OLD}))
    assert replace(step, before={"latest": None}).repository == REPOSITORY
