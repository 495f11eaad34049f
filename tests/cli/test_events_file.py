"""`--events FILE`, and the summary of a step of GitHub Actions, as commands write them."""

from __future__ import annotations

import json

from shipit.rehearsal.registry import EmbeddedRegistry
from tests.output_schema import check_line
from tests.shipit import Shipit


def test_events_go_to_a_file_beside_the_output_and_a_summary_to_the_file_of_github(shipit: Shipit) -> None:
    with EmbeddedRegistry() as registry:
        shipit.write(
            Dockerfile="FROM scratch\nCOPY Dockerfile /\n",
            deploy__yml=f"app: shop\nimage: {registry.host}/shop\ntargets: {{hub: {{settle: 0s}}}}\n",
        )
        shipit.env["GITHUB_STEP_SUMMARY"] = str(shipit.folder / "summary.md")
        done = shipit.run("deploy", "--output", "github", "--events", "events.jsonl")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (shipit.folder / "events.jsonl").read_text().splitlines()]
    for line in lines:
        check_line(line)
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert len({line["run"] for line in lines}) == 1
    [finished] = [line for line in lines if line["event"] == "target_finished"]
    [image] = finished["images"]
    summary = (shipit.folder / "summary.md").read_text()
    assert summary.startswith("## shipit deploy: shop (production)\n\n**done**: ")
    assert image["reference"] in summary and "<summary>Plan</summary>" in summary


def test_a_file_for_events_that_can_not_be_written_is_an_error(shipit: Shipit) -> None:
    shipit.write(Dockerfile="FROM scratch\n", deploy__yml="app: shop\nimage: {build: .}\n")
    done = shipit.run("build", "--events", "no/such/folder")
    assert done.returncode == 2
    assert done.stderr == (
        "no/such/folder: can't be written: No such file or directory\nhint: name another file for --events\n"
    )
    done = shipit.run("build", "--events", "")
    assert done.returncode == 2 and done.stderr.startswith("--events should be a file\n"), done.stderr


def test_the_files_that_a_command_writes_are_not_in_its_build_contexts(shipit: Shipit) -> None:
    shipit.write(Dockerfile="FROM scratch\nCOPY . /\n", deploy__yml="app: shop\nimage: {build: .}\n")
    words = ("build", "--save", "shop.tar", "--events", "events.jsonl")
    made = [shipit.run(*words) for _ in range(2)]
    assert [done.returncode for done in made] == [0, 0], made
    assert made[0].stdout == made[1].stdout
    assert shipit.run("build").stdout != made[0].stdout
