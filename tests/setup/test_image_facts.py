"""What a Dockerfile says of its image: the port, whether there is an entrypoint, the names of its stages."""

from __future__ import annotations

import pytest

from shipit.setup.stages import ImageFacts, image_facts

TWO = """\
ARG PORT=80
FROM node:22 AS build
EXPOSE 9000
FROM build AS Dev
EXPOSE 3000
FROM nginx
EXPOSE 8080
ENTRYPOINT ["nginx"]
"""


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("", ImageFacts()),
        ("FROM scratch\n", ImageFacts(0, False, ("",))),
        ("FROM scratch\nEXPOSE 80\n", ImageFacts(80, False, ("",))),
        ("FROM scratch\nEXPOSE 8000/tcp 9000\n", ImageFacts(8000, False, ("",))),
        ("FROM scratch\nEXPOSE 53/udp\nEXPOSE 3000\n", ImageFacts(3000, False, ("",))),
        ("FROM scratch\nENV PORT=5000\nEXPOSE $PORT\n", ImageFacts(5000, False, ("",))),
        ("FROM scratch\nARG PORT=5000\nEXPOSE ${PORT}\n", ImageFacts(5000, False, ("",))),
        ("FROM scratch\nEXPOSE ${NONE:-4000}\n", ImageFacts(4000, False, ("",))),
        ("FROM scratch\nEXPOSE $NONE\n", ImageFacts(0, False, ("",))),
        ("FROM scratch\nEXPOSE 70000\n", ImageFacts(0, False, ("",))),
        ("FROM scratch\nEXPOSE ${\n", ImageFacts(0, False, ("",))),
        ('FROM scratch\nENTRYPOINT ["/app"]\n', ImageFacts(0, True, ("",))),
        ('FROM scratch\nENTRYPOINT ["/app"]\nENTRYPOINT []\n', ImageFacts(0, False, ("",))),
        ("FROM scratch\nENTRYPOINT /app\n", ImageFacts(0, True, ("",))),
    ],
    ids=["an empty file", "nothing", "a port", "two ports", "a port of UDP first", "a variable", "an argument", "a default",
         "an unset variable", "no port", "an invalid variable", "an entrypoint", "an entrypoint that is taken back",
         "an entrypoint for a shell"],
)  # fmt: skip
def test_the_facts_of_one_stage(text: str, facts: ImageFacts) -> None:
    assert image_facts(text, "", {}) == facts


@pytest.mark.parametrize(
    ("stage", "port", "has_entrypoint"),
    [("", 8080, True), ("build", 9000, False), ("dev", 9000, False), ("DEV", 9000, False), ("missing", 8080, True)],
    ids=[
        "the last stage",
        "a stage by name",
        "with the stage below it",
        "in other letters",
        "a stage that is not there",
    ],
)
def test_the_facts_of_a_stage_include_those_of_the_stages_below_it(stage: str, port: int, has_entrypoint: bool) -> None:
    facts = image_facts(TWO, stage, {})
    assert (facts.port, facts.has_entrypoint) == (port, has_entrypoint)
    assert facts.stages == ("build", "dev", "")


def test_a_build_argument_replaces_the_default() -> None:
    text = "ARG PORT=80\nFROM scratch\nARG PORT\nEXPOSE $PORT\n"
    assert image_facts(text, "", {}).port == 80
    assert image_facts(text, "", {"PORT": "81"}).port == 81
