"""More than one file: includes, .env files, overlays; old names, and files as they are understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipit.config.document import plain_data
from shipit.config.find import DeployFile
from shipit.config.include import Reader
from shipit.config.load import load_project
from shipit.config.project import Project
from shipit.config.resolved import render_resolved
from shipit.config.written import read_written
from shipit.targets.kinds import KindModels
from shipit.targets.kubernetes.config import KubernetesConfig
from tests.runs import environment
from tests.shipit import Shipit

HEAD = "app: hello\nimage: user/hello\n"


def load(folder: Path, files: dict[str, str], selected: str | None = None, **variables: str) -> Project:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    environ = environment(folder, **variables)
    return load_project(folder / "deploy.yml", environ, KindModels(), selected=selected)


def k8s(project: Project) -> KubernetesConfig:
    target = project.targets["k8s"]
    assert isinstance(target, KubernetesConfig)
    return target


def test_a_file_lays_itself_over_what_it_includes(tmp_path: Path) -> None:
    files = {
        "deploy.yml": f'include: [parts/env.yml, "${{WHERE:-parts}}/k8s.yml"]\n{HEAD}env: {{B: mine, C: null}}\ntargets: {{k8s: {{replicas: 2}}}}\n',
        "parts/env.yml": "env: {A: one, B: two, C: three}\n",
        "parts/k8s.yml": "include: deeper/base.yml\ntargets: {k8s: {port: 3000, replicas: 1}}\nenv: {A: later}\n",
        "parts/deeper/base.yml": "targets: {k8s: {namespace: base, port: 80}}\n",
    }
    project = load(tmp_path, files)
    assert project.env == {"A": "later", "B": "mine"}
    workload = k8s(project).workloads[""]
    assert (k8s(project).namespace.name, workload.port, workload.replicas) == ("base", 3000, 2)


def test_files_that_include_the_next_one_twice_are_read_once_each(tmp_path: Path) -> None:
    """Read again at each place, thirty of them would be read a thousand million times."""
    for number in range(30):
        text = f"include: [{number + 1}.yml, {number + 1}.yml]\nenv: {{A{number}: x}}\n"
        (tmp_path / f"{number}.yml").write_text(text)
    (tmp_path / "30.yml").write_text("env: {A30: x}\n")
    expanded: list[str] = []

    def expand(name: str) -> str:
        expanded.append(name)
        assert len(expanded) <= 60, "each file names two"
        return name

    tree = Reader(environment(tmp_path), None, expand).read(DeployFile(tmp_path / "0.yml"), "0.yml")
    assert set(plain_data(tree)["env"]) == {f"A{number}" for number in range(31)} and len(expanded) == 60


def test_an_include_may_depend_on_the_environment(tmp_path: Path) -> None:
    files = {
        "deploy.yml": f"include: env/${{environment}}.yml\n{HEAD}environments: {{staging: {{}}}}\n",
        "env/staging.yml": "env: {WHERE: staging}\n",
        "env/production.yml": "env: {WHERE: production}\n",
    }
    assert load(tmp_path, files).env == {"WHERE": "production"}
    assert load(tmp_path, files, "staging").env == {"WHERE": "staging"}


def test_an_overlay_may_stand_in_an_included_file(tmp_path: Path) -> None:
    files = {
        "deploy.yml": f"include: environments.yml\n{HEAD}targets: {{k8s: {{replicas: 3}}, hub: }}\n",
        "environments.yml": "environments: {staging: {targets: {k8s: {replicas: 1}}}}\n",
    }
    staging = load(tmp_path, files, "staging")
    assert list(staging.targets) == ["k8s"] and k8s(staging).workloads[""].replicas == 1


def test_overlays_merge_maps_replace_lists_and_remove_with_null(tmp_path: Path) -> None:
    text = f"{HEAD}env: {{A: one}}\nsecrets: {{S: {{env: S, only: [k8s, hub]}}}}\n" + (
        "targets: {hub: , k8s: {port: 3000, command: [a, b], needs: [hub]}}\n"
        "environments: {qa: {secrets: {S: {only: [k8s]}}, targets: {k8s: {command: [c], port: null}}}}\n"
    )
    project = load(tmp_path, {"deploy.yml": text}, "qa")
    workload = k8s(project).workloads[""]
    assert (workload.command, workload.port, k8s(project).needs) == (("c",), None, ("hub",))
    assert project.secrets["S"].only == ("k8s",) and project.env == {"A": "one"}


def test_variables_of_dotenv_files_stand_below_those_of_the_process(tmp_path: Path) -> None:
    files = {
        "deploy.yml": f'dotenv: [.env, {{path: .env.local, required: false}}, "${{MORE:-more}}.env"]\n{HEAD}'
        "env:\n  A: ${A}\n  B: ${B}\n  C: ${C}\nsecrets: {TOKEN: {env: TOKEN}}\n",
        ".env": "# comment\nexport A='from dotenv'\nB=\"two words\"\nTOKEN=canary\nC=${A}\n",
        "more.env": "B=later\n",
    }
    project = load(tmp_path, files, A="from the process")
    assert project.env == {"A": "from the process", "B": "later", "C": "from the process"}
    assert project.variables["TOKEN"] == "canary"


OLD = f"""\
{HEAD.replace("user/hello", "{repository: user/hello, build: {target: prod, platform: linux/arm64}}   # mine")}
secrets:
  A: {{environment: "A"}}  # kept
environments:
  qa: {{image: {{build: {{target: test}}}}, targets: {{}}}}
"""
NEW = f"""\
{HEAD.replace("user/hello", "{repository: user/hello, build: {stage: prod, platforms: [linux/arm64]}}   # mine")}
secrets:
  A: {{env: "A"}}  # kept
environments:
  qa: {{image: {{build: {{stage: test}}}}, targets: {{}}}}
"""


def test_old_names_are_read_and_told(tmp_path: Path) -> None:
    project = load(tmp_path, {"deploy.yml": OLD}, A="x")
    build = project.images["hello"].build
    assert build and (build.stage, build.platforms) == ("prod", ("linux/arm64",))
    assert [str(warning) for warning in project.warnings] == [
        "deploy.yml:2:41: image.build.target: target: is called stage: here, and will not be read for ever",
        "deploy.yml:2:55: image.build.platform: platform: is called platforms: here, and will not be read for ever",
        "deploy.yml:5:7: secrets.A.environment: environment: is called env: here, and will not be read for ever",
        "deploy.yml:7:24: environments.qa.image.build.target: target: is called stage: here, and will not be read for ever",
    ]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_fix_mends_the_file_and_nothing_else_of_it(in_process: Shipit, ends: str, mark: str) -> None:
    file = in_process.folder / "deploy.yml"
    file.write_bytes((mark + OLD.replace("\n", ends)).encode())
    file.chmod(0o640)
    in_process.write(Dockerfile="FROM scratch AS prod\nFROM scratch AS test\n")
    before = in_process.run("validate")
    assert before.returncode == 0 and before.stderr.count("hint: shipit validate --fix mends it") == 4
    done = in_process.run("validate", "--fix")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == "replaced deploy.yml:2:41: image.build.target"
    assert file.read_bytes() == (mark + NEW.replace("\n", ends)).encode()
    assert file.stat().st_mode & 0o777 == 0o640
    again = in_process.run("validate", "--fix")
    assert (again.returncode, again.stderr) == (0, "")


def test_fix_follows_no_link_that_is_put_beside_the_file(shipit: Shipit) -> None:
    outside = shipit.folder.parent / "outside"
    outside.write_text("mine\n")
    shipit.write(deploy__yml=OLD, Dockerfile="FROM scratch AS prod\nFROM scratch AS test\n")
    (shipit.folder / ".deploy.yml.shipit").symlink_to(outside)
    done = shipit.run("validate", "--fix")
    assert done.returncode == 0, done.stderr
    assert (outside.read_text(), (shipit.folder / "deploy.yml").read_text()) == ("mine\n", NEW)
    assert not list(shipit.folder.glob(".shipit-*")), "nothing is left beside it"


def test_fix_mends_included_files_too(shipit: Shipit) -> None:
    shipit.write(
        deploy__yml=f"include: base.yml\n{HEAD}",
        base__yml="secrets: {A: {environment: A}}\n",
        Dockerfile="FROM scratch\n",
    )
    done = shipit.run("validate", "--fix")
    assert done.stderr == "replaced base.yml:1:15: secrets.A.environment\n"
    assert (shipit.folder / "base.yml").read_text() == "secrets: {A: {env: A}}\n"


def test_a_resolved_file_says_where_everything_came_from(tmp_path: Path) -> None:
    files = {
        "deploy.yml": f"include: base.yml\n{HEAD}env: {{URL: 'http://${{HOST}}/${{TOKEN}}', PLAIN: '1.10'}}\nsecrets: {{TOKEN: {{env: TOKEN}}}}\n"
        "targets: {k8s: {replicas: 3}}\nenvironments: {qa: {targets: {k8s: {replicas: 1}}}}\n",
        "base.yml": "targets:\n  k8s:\n    port: 3000\n",
    }
    project = load(tmp_path, files, "qa", HOST="example.com", TOKEN="canary-4711")
    shown = render_resolved(project, with_origin=True)
    assert "canary" not in shown
    rows = {line.partition("  # ")[0].strip(): line.partition("  # ")[2] for line in shown.splitlines()}
    assert rows['URL: "http://example.com/[redacted]"'] == "deploy.yml:4:12 from http://${HOST}/${TOKEN}"
    assert rows['PLAIN: "1.10"'] == "deploy.yml:4:46"
    assert rows["replicas: 1"] == "deploy.yml:7:47"
    assert rows["port: 3000"] == "base.yml:3:11"
    assert rows['timeout: "10m"'] == "default"
    assert rows["repository: docker.io/user/hello"] == "deploy.yml:3:8"


def test_what_an_included_file_holds_is_known_by_its_name(tmp_path: Path) -> None:
    files = {"deploy.yml": f"include: parts/a.yml\n{HEAD}", "parts/a.yml": "env: {A: x}\n"}
    load(tmp_path, files)
    written = read_written(tmp_path / "deploy.yml", environment(tmp_path))
    assert list(written.paths) == ["deploy.yml", "parts/a.yml"]


def test_what_is_literal_stays_literal_in_a_resolved_file(tmp_path: Path) -> None:
    text = f"{HEAD}env: {{A: '$${{HOME}}', B: \"\\e[31m\\x7f\"}}\ntargets: {{k8s: {{command: ['echo $${{A}}', \"\\u2028\"]}}}}\n"
    project = load(tmp_path, {"deploy.yml": text})
    assert project.env == {"A": "${HOME}", "B": "\x1b[31m\x7f"}
    again = load(tmp_path, {"deploy.yml": render_resolved(project)})
    assert again.env == project.env
    assert k8s(again).workloads["hello"].command == ("echo ${A}", "\u2028")


@pytest.mark.parametrize(
    ("build", "replaced"),
    [
        ('{"target": prod}', "{stage: prod}"),
        ("{'target' : 'prod', args: {target: x}}", "{stage : 'prod', args: {target: x}}"),
        ("{target: &t prod, args: {A: *t}}", "{stage: &t prod, args: {A: *t}}"),
        ('{platform: "linux/arm64"}', '{platforms: ["linux/arm64"]}'),
        ("{platform: [linux/arm64]}", "{platforms: [linux/arm64]}"),
        ("\n    target:   prod   # why\n    context: .", "\n    stage:   prod   # why\n    context: ."),
        ("{<<: {target: prod}}", "{<<: {stage: prod}}"),
    ],
)
def test_fix_replaces_a_key_however_it_is_written(in_process: Shipit, build: str, replaced: str) -> None:
    text = "app: hello\nimage:\n  repository: user/hello\n  build: BUILD\n"
    in_process.write(deploy__yml=text.replace("BUILD", build), Dockerfile="FROM scratch AS prod\n")
    before = in_process.run("validate", "--resolved").stdout
    done = in_process.run("validate", "--fix")
    assert done.returncode == 0, done.stderr
    assert (in_process.folder / "deploy.yml").read_text() == text.replace("BUILD", replaced)
    assert in_process.run("validate", "--resolved").stdout == before
    assert in_process.run("validate").stderr == ""


@pytest.mark.parametrize(
    "build", ["{platform: *p}", "{platform: &q linux/arm64, args: {A: *q}}", "\n    platform: >-\n      linux/arm64\n"]
)
def test_fix_leaves_what_takes_a_person(in_process: Shipit, build: str) -> None:
    text = f"x-p: &p linux/arm64\napp: hello\nimage:\n  repository: user/hello\n  build: {build}\n"
    in_process.write(deploy__yml=text, Dockerfile="FROM scratch\n")
    done = in_process.run("validate", "--fix")
    assert done.returncode == 0 and "hint: write platforms: instead, by hand" in done.stderr, done.stderr
    assert (in_process.folder / "deploy.yml").read_text() == text and "replaced" not in done.stderr
