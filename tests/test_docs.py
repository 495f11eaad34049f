"""What is written about the program is true of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generate import (
    FILE,
    GUIDE_PAGE,
    OUTPUT_SCHEMA,
    SCHEMA,
    render,
    render_output_schema_file,
    render_schema_file,
)
from shipit.cli.guide import GUIDE
from shipit.config.load import load_project
from shipit.config.process_environment import ProcessEnvironment
from shipit.targets.kinds import KindModels

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]


def test_the_reference_is_in_step_with_the_source() -> None:
    assert FILE.read_text() == render(), "run make docs"
    assert SCHEMA.read_text() == render_schema_file(), "run make docs"
    assert OUTPUT_SCHEMA.read_text() == render_output_schema_file(), "run make docs"
    assert GUIDE_PAGE.read_text() == GUIDE.read_text(), "change shipit/cli/guide.md, and run make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


# Every docker and Compose command of a tutorial for beginners: github.com/marcwright/docker-intro, README.md.
TUTORIAL = """
docker pull; docker images; docker run IMAGE COMMAND; docker ps -a; docker stop; docker rm; docker rmi; docker run -d -p 80:80 IMAGE
docker logs; docker container prune; docker system prune; docker run -v $(pwd):/var/www -w /var/www IMAGE npm start; docker inspect
docker run -it; docker exec -it CONTAINER sh; docker rm -v; -h; docker login; docker build -t USER/NAME .; -f FILE; docker push USER/NAME
docker run --name db; --link db:postgres; docker exec CONTAINER node seed.js; docker network create; docker run --net NAME
docker network inspect; docker compose build; docker compose build SERVICE; docker compose up; docker compose down
docker compose down --rmi all --volumes
"""


def test_the_page_of_docker_commands_has_those_of_a_tutorial() -> None:
    text = (ROOT / "docs/docker-commands.md").read_text()
    wanted = [command for line in TUTORIAL.strip().splitlines() for command in line.split("; ")]
    assert [command for command in wanted if f"`{command}" not in text] == []


@pytest.mark.parametrize(("page", "least"), [("security.md", 30), ("docker-commands.md", 25)])
def test_every_row_of_a_table_of_tests_names_those_that_exist(page: str, least: int) -> None:
    rows = re.findall(r"(?m)^\|(?! it could try| command|[ |-]+$)(.*)\|$", (ROOT / "docs" / page).read_text())
    assert len(rows) >= least
    for row in rows:
        named = re.findall(r"`((?:tests|shipit/testing)/[\w/]+\.py)::(test_\w+)`", row.rpartition(" | ")[2])
        assert named and row.count("tests/") + row.count("shipit/testing/") == len(named), f"names no test: {row}"
        for file, test in named:
            found = re.search(rf"(?m)^ *def {test}\(", (ROOT / file).read_text()) if (ROOT / file).is_file() else None
            assert found, f"there is no {file}::{test}"


def test_the_map_of_the_source_names_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for room in (ROOT / "shipit").iterdir():
        if (room.is_dir() or room.suffix == ".py") and not room.name.startswith("__"):
            assert f"`{room.name}{'/' if room.is_dir() else ''}`" in text, f"{room.name} is not on the map"


def test_the_readme_and_ci_run_the_same_tests() -> None:
    assert "make test" in (ROOT / "README.md").read_text()
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "make test"
    assert "make test" in (ROOT / ".circleci/config.yml").read_text()


def test_every_link_within_the_reference_leads_to_a_section() -> None:
    text = (ROOT / "docs/reference.md").read_text()
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= set(re.findall(r'<a id="(\w+)">', text))


FILES = [ROOT / "deploy.example.yml", *sorted((ROOT / "examples").glob("*/deploy.yml"))]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_example_is_valid(file: Path) -> None:
    assert load_project(file, ProcessEnvironment({}, ROOT, ROOT), KindModels()).targets


def test_the_yaml_of_the_readme_and_the_guide_is_valid(tmp_path: Path) -> None:
    environ = ProcessEnvironment({"LOG_LEVEL": "info"}, tmp_path, tmp_path)
    charts = (
        "overlays/prod/kustomization.yaml",
        "charts/web/Chart.yaml",
        "chart/Chart.yaml",
        "values.yaml",
        "values-prod.yaml",
    )
    for name in (
        "README.md",
        ".env",
        "compose.yaml",
        "stack.yml",
        "nginx.conf",
        "shared/env.yml",
        "shared/cluster.yml",
        "k8s/shop.yaml",
        *charts,
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("env: {}\n" if name.startswith("shared") else "")
    (tmp_path / "k8s/shop.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: shop}}")
    blocks = [block for page in PAGES for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)]
    checked = 0
    for block in blocks:
        # What GitHub reads, a comment for editors, and a file that another folder includes.
        if block.startswith(("jobs:", "- run:", "# yaml", "include: [../../")):
            continue
        keys = set(re.findall(r"(?m)^(\w+):", block))
        whole = block if "app" in keys else f"app: hello\n{block}"
        whole += "" if keys & {"image", "images"} else "image: user/hello\n"
        whole += "" if "targets" in keys else "targets: {hub: , heroku: , k8s: }\n"
        (tmp_path / "deploy.yml").write_text(whole)
        assert load_project(tmp_path / "deploy.yml", environ, KindModels()).targets, whole
        checked += 1
    assert checked >= 20


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_lock_files_hold_hashes_and_name_no_index(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    for line in re.findall(r"(?m)^[a-z0-9].*?(?=^[a-z0-9]|\Z)", text + "\n", re.DOTALL):
        assert "--hash=sha256:" in line, line
