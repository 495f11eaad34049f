"""Facts of several files joined: which images there are, what runs, which variables and repositories."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from shipit.drafts.files import Build, FileFacts, Process
from shipit.setup.join import first_image, join_images, join_processes, join_repositories, join_variables

WEB = Build(".")
API = Build("api")
WORKER = Build(".", "Dockerfile.worker")


@pytest.mark.parametrize(
    ("files", "images"),
    [
        ([], {}),
        ([FileFacts(images=(("web", WEB),))], {"shop": WEB}),
        ([FileFacts(images=(("web", WEB), ("worker", WORKER)))], {"web": WEB, "worker": WORKER}),
        ([FileFacts(images=(("web", WEB),)), FileFacts(images=(("app", WEB), ("api", API)))], {"web": WEB, "api": API}),
        ([FileFacts(images=(("web", WEB), ("web", API)))], {"web": WEB, "web-2": API}),
        ([FileFacts(images=(("web", WEB), ("cron", WEB)))], {"shop": WEB}),
        ([FileFacts(images=(("web", WEB),)), FileFacts(images=(("web", Build(".", stage="test")),))],
         {"web": WEB, "web-2": Build(".", stage="test")}),
        ([FileFacts(images=(("web", WEB),)), FileFacts(images=(("web", WEB._replace(args=(("A", "1"),))),))],
         {"shop": WEB}),
    ],
    ids=["none", "one is named after the app", "two", "one Dockerfile in two files", "a name that is taken",
         "one build under two names", "another stage", "other build arguments"],
)  # fmt: skip
def test_files_that_name_one_dockerfile_and_stage_mean_one_image(
    files: list[FileFacts], images: Mapping[str, Build]
) -> None:
    found, names = join_images("shop", files)
    assert found == images
    assert set(names.values()) == set(images), "every build of every file has the name of its image"


@pytest.mark.parametrize(
    ("images", "name"),
    [({}, "shop"), ({"api": API, "web": WEB}, "web"), ({"api": API, "shop": WEB}, "shop"), ({"api": API}, "api")],
)
def test_the_image_that_serves_is_web_or_the_apps_or_the_first(images: Mapping[str, Build], name: str) -> None:
    assert first_image(images, "shop") == name


def joined(*files: FileFacts, release_image: str = "") -> dict[str, Process]:
    images, names = join_images("shop", files)
    return join_processes(files, images, names, release_image)


def test_an_image_that_no_file_runs_is_a_process_of_its_own() -> None:
    assert joined(FileFacts(images=(("web", WEB),))) == {"web": Process("web", WEB)}
    two = joined(FileFacts(images=(("api", API), ("worker", WORKER))))
    assert {name: process.build for name, process in two.items()} == {"api": API, "worker": WORKER}


def test_a_later_file_sets_what_an_earlier_one_leaves_out_and_wins_where_both_say_it() -> None:
    first = FileFacts(images=(("web", WEB),), processes=(Process("web", WEB, "run", 3000, quantity=1),))
    second = FileFacts(processes=(Process("web", None, "other", 0, "/up"),))
    assert joined(first, second) == {"web": Process("web", WEB, "other", 3000, "/up", quantity=1)}


def test_a_process_that_serves_under_another_name_becomes_web_when_a_later_file_calls_it_so() -> None:
    compose = FileFacts(images=(("app", WEB),), processes=(Process("app", WEB, port=8000),))
    procfile = FileFacts(processes=(Process("web", None, "gunicorn"), Process("worker", None, "celery")))
    found = joined(compose, procfile)
    assert found["web"] == Process("web", WEB, "gunicorn", 8000)
    assert list(found) == ["web", "worker"]


def test_a_process_on_another_image_is_not_renamed() -> None:
    first = FileFacts(images=(("api", API),), processes=(Process("api", API, port=8000),))
    second = FileFacts(images=(("web", WEB),), processes=(Process("web", WEB),))
    assert {name: process.build for name, process in joined(first, second).items()} == {"api": API, "web": WEB}


def test_a_file_that_only_adjusts_adds_no_process_unless_there_is_none() -> None:
    adjusting = FileFacts(processes=(Process("worker", quantity=2), Process("web", quantity=3)), only_adjusts=True)
    beside = joined(FileFacts(images=(("web", WEB),), processes=(Process("web", WEB),)), adjusting)
    assert beside == {"web": Process("web", WEB, quantity=3)}
    assert list(joined(FileFacts(images=(("web", WEB),)), adjusting)) == ["web", "worker"]


def test_the_image_of_the_release_command_is_no_process() -> None:
    release = Build(".", "Dockerfile.release")
    files = FileFacts(images=(("web", WEB), ("release", release)), processes=(Process("web", WEB),))
    assert list(joined(files, release_image="release")) == ["web"]
    assert list(joined(files)) == ["web", "release"]


def test_a_variable_that_one_file_calls_a_secret_is_one_and_port_is_left_out() -> None:
    files = [
        FileFacts(env=(("MODE", "prod"), ("KEY", "a"), ("PORT", "80")), dotenv=(".env",)),
        FileFacts(env=(("MODE", "dev"),), secrets=("KEY", "PORT", "TOKEN"), dotenv=(".env", ".env.local")),
    ]
    assert join_variables(files, {}) == ((("MODE", "prod"),), ("KEY", "TOKEN"), (".env", ".env.local"))


def test_a_secret_that_a_process_gives_a_value_is_not_hidden() -> None:
    processes = {"web": Process("web", env=(("KEY", "for-web"),))}
    assert join_variables([FileFacts(secrets=("KEY", "TOKEN"))], processes) == ((), ("TOKEN",), ())


@pytest.mark.parametrize(
    ("texts", "manifests", "found", "refused"),
    [
        (["registry.example.com/me/shop"], (), {"shop": "registry.example.com/me/shop"}, []),
        (["me/shop"], (), {"shop": "docker.io/me/shop"}, []),
        (["Not A Name"], (), {}, ["compose.yml: Not A Name is no repository that an image can be pushed to"]),
        (["me/shop:v1"], (), {}, ["compose.yml: me/shop:v1 is no repository that an image can be pushed to"]),
        ([], ("me/shop", "redis"), {"shop": "docker.io/me/shop"}, []),
        ([], ("me/shop", "you/shop"), {}, []),
        ([], ("shop",), {}, []),
        (["me/first", "me/second"], (), {"shop": "docker.io/me/first"}, []),
    ],
    ids=["of a registry", "of Docker Hub", "invalid", "with a tag", "of a manifest", "of two manifests",
         "an official image of Docker Hub", "named twice"],
)  # fmt: skip
def test_a_repository_is_one_that_a_file_names(
    texts: list[str], manifests: tuple[str, ...], found: Mapping[str, str], refused: list[str]
) -> None:
    files = [FileFacts(file="compose.yml", repositories=tuple((WEB, text) for text in texts))]
    assert join_repositories(files, {WEB: "shop"}, {"shop": WEB}, manifests) == (found, refused)


def test_two_images_with_one_repository_have_none() -> None:
    files = [FileFacts(repositories=((WEB, "me/shop"), (API, "me/shop")))]
    found, refused = join_repositories(files, {WEB: "web", API: "api"}, {"web": WEB, "api": API}, ())
    assert found == {}
    assert refused == ["images api and web name one repository; each has one of its own here"]
