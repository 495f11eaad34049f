"""What helps at a prompt: topics, completion, and what the program says of itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shipit.cli.commands import SUMMARIES
from shipit.cli.completion import complete_images, complete_workloads
from shipit.cli.guide import read_topics
from shipit.cli.hints import ELSEWHERE, SYNONYMS
from shipit.cli.markdown import render_markdown
from tests.shipit import ROOT, Shipit

FILE = """\
app: shop
images: {web: {repository: a/web}, worker: {repository: a/worker}}
targets: {heroku: , hub: , k8s: }
environments: {staging: , production-eu: }
"""


def test_the_version_says_what_it_runs_on(shipit: Shipit) -> None:
    done = shipit.run("--version")
    system = os.uname()
    assert re.fullmatch(
        rf"shipit \d+\.\d+\.\d+ \(Python 3\.\d+\.\d+, {system.sysname} {system.machine}\)\n", done.stdout
    ), done.stdout


def test_topics_are_listed_and_read(in_process: Shipit) -> None:
    listed = in_process.run("help")
    assert listed.returncode == 0
    names = re.findall(r"^  ([a-z-]+)  ", listed.stdout, re.MULTILINE)
    assert {"builders", "credentials", "heroku", "kubernetes", "secrets", "environments", "networks"} <= set(names)
    for name in names:
        read = in_process.run("help", name)
        assert read.returncode == 0 and len(read.stdout) > 100, name
    assert "DOCKER_CONTEXT" in in_process.run("help", "Builders").stdout
    assert in_process.run("help", "deploy").stdout.startswith("Usage: shipit deploy")


@pytest.mark.parametrize(
    ("kind", "title"),
    [("docker", "Docker hosts"), ("compose", "Compose projects"), ("k8s", "Kubernetes"), ("dockerhub", "Docker Hub")],
)
def test_the_name_of_a_kind_leads_to_its_topic(in_process: Shipit, kind: str, title: str) -> None:
    assert in_process.run("help", kind).stdout.splitlines()[0].strip() == title


def test_a_topic_that_is_not_there_names_the_nearest(shipit: Shipit) -> None:
    done = shipit.run("help", "credentils")
    assert (done.returncode, done.stderr) == (2, "there is no topic 'credentils'\nhint: did you mean credentials?\n")
    assert shipit.run("help", "xyzzy").stderr.endswith("hint: shipit help lists the topics\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("shipit dep", {"deploy"}),
        ("shipit deploy h", {"heroku", "hub"}),
        ("shipit deploy -e s", {"staging"}),
        ("shipit build w", {"web", "worker"}),
        ("shipit help cred", {"credentials"}),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shipit: Shipit, shell: str, words: str, expected: set[str]) -> None:
    shipit.write(deploy__yml=FILE)
    shipit.env |= {
        "_SHIPIT_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": words.split()[-1],
    }
    done = shipit.run_program("shipit")
    found = set(re.findall(r"[\w-]+", re.sub(r'":?".*?"', "", done.stdout)))
    assert expected <= found, done.stdout + done.stderr
    others = {"deploy", "heroku", "hub", "staging", "web", "worker", "credentials"} - expected
    assert not others & set(re.findall(r'^"?([\w-]+)', done.stdout, re.MULTILINE)), done.stdout


def test_a_script_for_each_shell(shipit: Shipit) -> None:
    for shell in ("bash", "zsh", "fish"):
        shipit.env["_SHIPIT_COMPLETE"] = f"source_{shell}"
        done = shipit.run_program("shipit")
        assert "_SHIPIT_COMPLETE" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("rm", "use shipit destroy"),
        ("delete", "use shipit destroy"),
        ("down", "use shipit destroy"),
        ("dynos", "use shipit scale"),
        ("deplyo", "did you mean deploy?"),
        ("stauts", "did you mean status?"),
        ("up", "use shipit deploy"),
        ("ps", "use shipit status"),
        ("top", "use shipit status"),
        ("sh", "use shipit exec"),
        ("console", "use shipit exec"),
        ("ssh", "use shipit exec"),
        ("bash", "use shipit exec"),
        ("releases", "use shipit history"),
        ("run:detached", "use shipit run"),
        ("xyzzy", "shipit --help lists the commands"),
    ],
)
def test_an_unknown_command_gets_a_hint(in_process: Shipit, word: str, hint: str) -> None:
    done = in_process.run(word)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"unknown command {word!r}\nhint: {hint}\n")


def test_hints_name_commands_and_topics_that_exist() -> None:
    assert not set(SYNONYMS) & set(SUMMARIES) and not set(ELSEWHERE) & set(SUMMARIES)
    assert set(SYNONYMS.values()) <= {*SUMMARIES, "--version"}
    topics = {topic.name for topic in read_topics()}
    for hint in ELSEWHERE.values():
        assert set(re.findall(r"shipit help ([a-z-]+)", hint)) <= {
            word for topic in topics for word in (topic, *topic.split("-"))
        }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["deploy", "--output", "xml"],
            "invalid value for '--output': 'xml' should be one of auto, plain, json, github\n"
            "hint: shipit deploy -h lists the arguments and options\n",
        ),
        (
            ["validate", "--nosuch"],
            "no such option: --nosuch\nhint: shipit validate -h lists the arguments and options\n",
        ),
        (
            ["deploy", "--env", "staging"],
            "no such option: --env\nhint: did you mean --environment? shipit deploy -h lists the arguments and options\n",
        ),
        (["stat"], "unknown command 'stat'\nhint: did you mean status?\n"),
        (
            ["promote", "--frm", "staging"],
            "no such option: --frm\nhint: did you mean --from? shipit promote -h lists the arguments and options\n",
        ),
    ],
)
def test_a_wrong_command_line_is_an_error_with_a_hint(shipit: Shipit, arguments: list[str], said: str) -> None:
    done = shipit.run(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["deploy", "--nosuch", "--output", "json"], "no such option: --nosuch"),
        (["plan", "--output=plain", "--output=json", "--nosuch"], "no such option: --nosuch"),
        (["status", "--output", "json", "-e"], "option '-e' requires an argument"),
        (["dploy", "--output", "json"], "unknown command 'dploy'"),
    ],
)
def test_a_wrong_command_line_is_an_event_with_output_json(shipit: Shipit, arguments: list[str], what: str) -> None:
    done = shipit.run(*arguments)
    [line] = done.stdout.splitlines()
    told = json.loads(line)
    assert (done.returncode, told["event"], told["exit_code"]) == (2, "run_failed", 2)
    [problem] = told["problems"]
    assert problem["what"] == what and done.stderr.startswith(f"{what}\nhint: "), done.stderr


@pytest.mark.parametrize("arguments", [["validate", "--nosuch", "--", "--output=json"], ["validate", "--output"]])
def test_a_wrong_command_line_without_output_json_prints_no_event(shipit: Shipit, arguments: list[str]) -> None:
    done = shipit.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")


def test_every_command_has_a_module_a_summary_and_examples(in_process: Shipit) -> None:
    folder = ROOT / "shipit/cli/commands"
    assert {file.stem for file in folder.glob("*.py")} - {"__init__"} == set(SUMMARIES)
    in_process.env["COLUMNS"] = "80"
    whole = in_process.run("-h").stdout
    for name, summary in SUMMARIES.items():
        shown = in_process.run(name, "-h").stdout
        assert re.search(rf"(?m)^  {name} +{summary}$", whole) and f"{summary}." in shown
        assert re.search(rf"\nExamples?:\n  .*shipit {name}", shown), shown
        assert max(map(len, shown.splitlines())) <= 80 and "..." not in shown.replace("]...", "").replace("]=N...", "")


def test_the_start_imports_little(shipit: Shipit) -> None:
    """Each of these takes longer to import than everything that --version and --help need."""
    for word in ("--version", "--help"):
        code = f"import sys, atexit; sys.argv = ['shipit', '{word}']; from shipit.cli.main import main\n"
        code += "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
        done = subprocess.run([sys.executable, "-c", code], env=shipit.env, capture_output=True, text=True, check=True)
        loaded = set(done.stderr.split())
        assert not loaded & {"pydantic", "yaml", "requests", "rich", "shipit.cli.runs", "shipit.cli.commands.deploy"}


def test_on_windows_one_line_says_where_shipit_runs(shipit: Shipit) -> None:
    code = "import sys, _signal; sys.platform = 'win32'; del _signal.SIGHUP; from shipit.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=shipit.env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "shipit runs on Linux and macOS; on Windows use it inside WSL: https://learn.microsoft.com/windows/wsl\n"
    )


@pytest.mark.parametrize(
    ("app", "expected"), [("hello", ["hello"]), ("[x]", []), ("{a: b}", []), ("7", ["7"]), ("''", [])]
)
def test_the_only_image_is_completed_by_the_name_of_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: str, expected: list[str]
) -> None:
    (tmp_path / "deploy.yml").write_text(f"app: {app}\nimage: user/hello\n")
    monkeypatch.chdir(tmp_path)
    assert complete_images("") == expected


OBJECTS = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: set}\n"
SERVICES = "services: {web: {image: a}, debug: {image: a, profiles: [debug]}, 'x;id': {image: a}}\n"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("docker: {services: {web: , worker: }}", {"docker/web", "docker/worker"}),
        ("heroku: {processes: {web: {quantity: 1}}}", {"heroku/web"}),
        ("k8s: {workloads: {api: }}", {"k8s/api"}),
        ("k8s: {workloads: {api: }, manifests: [objects.yml, {url: 'https://x.test/'}]}", {"k8s/api", "k8s/set"}),
        ("k8s: {workloads: {api: }, manifests: broken.yml}", {"k8s/api"}),
        ("compose: ", {"compose/web", "compose/mail"}),
        ("eu: {kind: compose, file: stack.yml, profiles: debug}", {"eu/web", "eu/debug"}),
        ("eu: {kind: compose, file: [stack.yml, none.yml, broken.yml], services: {web: }}", {"eu/web"}),
        ("eu: {kind: compose, file: parts.yml}", {"eu/front", "eu/web", "eu/mail"}),
        ("swarm: {file: stack.yml}", {"swarm/web"}),
        ("k8s: {kustomize: overlay}", {"k8s/prod-set-1"}),
        ("k8s: {kustomize: none}", set()),
        ("k8s: {kustomize: many}", {"k8s/set"}),
        ("k8s: {kustomize: outside}", set()),
        ("eu: {kind: compose, file: loops.yml}", {"eu/web"}),
        ("swarm: {services: {web: }}", {"swarm/web"}),
        ("hub: {file: stack.yml}", set()),
    ],
)
def test_the_workloads_of_each_kind_are_completed_also_those_that_its_files_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, expected: set[str]
) -> None:
    files = {
        "deploy.yml": f"app: a\nimage: u/a\ntargets: {{{target}}}\n",
        "compose.yaml": SERVICES,
        "compose.override.yaml": "services: {mail: {image: a}}\n",
        "stack.yml": SERVICES,
        "objects.yml": OBJECTS,
        "broken.yml": "services: {web: [\n",
        "parts.yml": "include: [{path: [part/a.yml]}, stack.yml, parts.yml, '${X}', 7]\nservices: {front: {image: a}}\n",
        "part/a.yml": "include: [../compose.override.yaml]\n",
        "overlay/kustomization.yaml": "{namePrefix: prod-, resources: [../base, 'https://x.test/', gone.yml, ../overlay]}",
        "base/kustomization.yml": "{nameSuffix: -1, resources: [../objects.yml, ../broken.yml]}",
        # Each of the folders names the next one many times.
        **{
            f"many{end}/kustomization.yaml": f"{{resources: [{f'../many{end}x, ' * 40}]}}"
            for end in ("", "x", "xx", "xxx")
        },
        "manyxxxx/kustomization.yaml": "resources: [../objects.yml]",
        "outside/kustomization.yaml": f"resources: ['../../{tmp_path.name}-other/objects.yml']",
        f"../{tmp_path.name}-other/objects.yml": OBJECTS,
        "loops.yml": f"include: [loop, 'a\\0b']\n{SERVICES}",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    name = target.partition(":")[0]
    assert set(complete_workloads(f"{name}/")) == expected
    assert complete_workloads(name[:2]) == [name, *complete_workloads(f"{name}/")]


def test_completion_offers_only_names_that_are_words(shipit: Shipit) -> None:
    shipit.write(
        deploy__yml='app: a\nimage: u/a\ntargets: {hub: , "h\\e[31m": {kind: hub}, "h x": {kind: hub}, "h\\nx": {kind: hub}, '
        '"h$(touch${IFS}x)": {kind: hub}, "h`id`": {kind: hub}, "h;id": {kind: hub}, "h|id": {kind: hub}, "h>x": {kind: hub}, '
        '"h\'x": {kind: hub}, "h*": {kind: hub}}\n'
    )
    shipit.env |= {"_SHIPIT_COMPLETE": "complete_bash", "COMP_WORDS": "shipit deploy h", "COMP_CWORD": "2"}
    done = shipit.run_program("shipit")
    assert done.stdout.split() == ["hub"], done


MARKDOWN = "# Title\n\nSome `code` and [a page](limits.md), [the web](https://example.com).\n\n- one\n- two\n\n```yaml\napp: hello\n```\n"


def test_a_topic_is_plain_text_where_nobody_watches(shipit: Shipit) -> None:
    assert render_markdown(MARKDOWN, 80, is_terminal=False).splitlines() == [
        "Title",
        "",
        "Some `code` and a page, the web (https://example.com).",
        "",
        " • one",
        " • two",
        "",
        "    app: hello",
    ]
    shown = shipit.run("help", "secrets").stdout
    assert "\x1b" not in shown and "```" not in shown and "## " not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_topic_has_the_width_and_colours_of_the_terminal() -> None:
    shown = render_markdown("Every word. " * 30 + "`code`", 40, is_terminal=True)
    assert "\x1b[1;36mcode\x1b[0m" in shown
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert 30 < max(map(len, plain.splitlines())) <= 40
    without = render_markdown("`code`", 40, is_terminal=True, color=False)
    assert "code" in without and "36" not in without
