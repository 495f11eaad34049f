"""The command line: what it prints where, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import shipit as package
from shipit.cli.app import app
from shipit.rehearsal.registry import EmbeddedRegistry
from tests.shipit import ROOT, Shipit

GOOD = "app: hello\nimage: user/hello\ntargets:\n  hub: {}\nenvironments:\n  staging: {targets: {hub: {timeout: 1m}}}\n"


def test_version_and_help() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith(f"shipit {package.__version__} (Python 3.")
    shown = CliRunner().invoke(app, ["--help"]).stdout
    assert all(command in shown for command in ("build", "push", "plan", "deploy", "validate", "status"))


def test_validate_says_what_it_checked(shipit: Shipit) -> None:
    shipit.write(deploy__yml=GOOD, Dockerfile="FROM scratch\n")
    done = shipit.run("validate")
    assert (done.returncode, done.stdout) == (0, "deploy.yml is valid: 1 image, 1 target, environments staging\n")


def test_validate_reads_the_stack_file_without_values_of_secrets(shipit: Shipit) -> None:
    head = "app: hello\nimage: user/hello\nsecrets: {TOKEN: {env: TOKEN}}\nenv: {LEVEL: info}\n"
    target = "targets:\n  prod: {kind: swarm, host: 'ssh://nowhere.invalid', file: stack.yml}\n"
    environments = "environments:\n  staging: {env: {TAG: '8'}, targets: {prod: {images: {web: hello}}}}\n"
    stack = "services:\n  web: {build: ., environment: [TOKEN, LEVEL], env_file: web.env}\n  x-ray: {image: xray}\n"
    shipit.write(
        deploy__yml=head + target + environments, stack__yml=stack, web__env="MODE=fast\n", Dockerfile="FROM scratch\n"
    )
    done = shipit.run("validate")
    assert (done.returncode, done.stdout) == (0, "deploy.yml is valid: 1 image, 1 target, environments staging\n"), (
        done.stderr
    )
    shipit.write(stack__yml=f"{stack}  cache: {{image: 'redis:$TAG', privileged: true}}\n", web__env="MIIEvQ+h4711\n")
    done = shipit.run("validate")
    assert done.returncode == 2
    assert [line for line in done.stderr.split("\n") if line.startswith("stack.yml")] == [
        "stack.yml:2:58: the variable in line 1 of web.env is not set",
        "stack.yml:4:18: TAG is not set",
        "stack.yml:4:44: privileged can't be taken over into a swarm",
    ]
    assert "4711" not in done.stderr
    assert "TAG is not set" not in shipit.run("validate", "-e", "staging").stderr


def test_validate_finds_a_secret_file_that_is_no_secret_of_the_target(shipit: Shipit) -> None:
    text = "app: hello\nimage: user/hello\ntargets:\n  prod: {kind: swarm, secret_files: [OTHER]}\n"
    shipit.write(deploy__yml=text, Dockerfile="FROM scratch\n")
    done = shipit.run("validate")
    assert done.returncode == 2
    assert (
        "deploy.yml:4:38: targets.prod.secret_files[0]: OTHER is no secret of the file for this target" in done.stderr
    )


def test_validate_warns_of_an_environment_that_reaches_no_target(shipit: Shipit) -> None:
    shipit.write(
        Dockerfile="FROM scratch\n",
        deploy__yml="app: a\nimage: user/a\ntargets: {hub: }\nenvironments:\n  production: {protected: true}\n",
    )
    done = shipit.run("validate")
    assert done.returncode == 0
    assert done.stderr == (
        "warning: deploy.yml:5:3: environments.production: selects no target\n"
        "  5 |   production: {protected: true}\n    |   ^^^^^^^^^^\n"
        "hint: write inherit: true in it, or name its targets there; targets here: hub\n"
    )


def test_the_file_is_found_from_below(shipit: Shipit) -> None:
    shipit.write(deploy__yml=GOOD, Dockerfile="FROM scratch\n")
    below = shipit.folder / "a" / "b"
    below.mkdir(parents=True)
    (shipit.folder / ".git").mkdir()
    other = Shipit(below, Path(shipit.env["HOME"]))
    assert other.run("validate").returncode == 0


def test_a_mistake_in_an_overlay_is_found_without_choosing_it(shipit: Shipit) -> None:
    shipit.write(deploy__yml=GOOD.replace("timeout: 1m", "timeout: soon"), Dockerfile="FROM scratch\n")
    done = shipit.run("validate")
    assert done.returncode == 2
    assert done.stderr.startswith("deploy.yml:6:38: targets.hub.timeout: should be a duration such as 90s")


@pytest.mark.parametrize(
    ("text", "arguments", "expected"),
    [
        (None, ["deploy"], "there is no deploy.yml here or above\nhint: shipit init creates one from this project; -f names one that is elsewhere\n"),
        (GOOD, ["deploy", "-f", "other.yml"], "other.yml: there is no such file\nhint: name a deploy.yml with -f\n"),
        ("app: [\n", ["plan"], "deploy.yml:1:6: should be YAML: this [ is never closed\n  1 | app: [\n    |      ^\n"),
        (GOOD, ["deploy", "hubb"], "there is no target 'hubb'\nhint: did you mean hub?\n"),
        (GOOD, ["deploy", "staging"], "there is no target 'staging'\nhint: it is an environment: -e staging\n"),
        (GOOD, ["rollback", "v3"], "there is no target 'v3'\nhint: --to v3 names a release\n"),
        (GOOD.replace("{hub: {timeout: 1m}}", "{heroku: {app: hello-staging}}"), ["plan", "hub", "-e", "staging"],
         "there is no target 'hub'\nhint: the environment staging leaves it out: name it there, or write inherit: true\n"),
        (GOOD, ["plan", "-e", ""], "deploy.yml: there is no environment ''\nhint: environments here: staging\n"),
        (GOOD, ["validate", "-e", ""], "deploy.yml: there is no environment ''\nhint: environments here: staging\n"),
        (GOOD, ["validate", "-f", ""], "--file should be a file\nhint: without --file, it is the nearest deploy.yml\n"),
        (GOOD, ["deploy", "--timeout", ""], "--timeout should be a duration such as 90s, 10m or 1h30m\n"),
        (GOOD, ["plan", "--save", "x", "--expires", ""], "--expires should be a duration such as 90s, 10m or 1h30m\n"),
        (GOOD, ["promote", "--from", "staging", "--to", ""], "--to should be an environment\nhint: without --to, it is production\n"),
        (GOOD, ["rollback", "--to", ""], "--to should be a run or a version\nhint: without --to, it is the last healthy release\n"),
        (GOOD, ["plan", "-e", "stagin"], "deploy.yml: there is no environment 'stagin'\nhint: did you mean staging?\n"),
        ("app: hello\n", ["deploy"], "deploy.yml: there are no targets\nhint: add targets: to it, for example heroku: {app: NAME}\n"),
        ("app: a\nimage: user/a\ntargets: {hub: }\nenvironments: {production: {protected: true}}\n", ["deploy"],
         "deploy.yml: the environment production selects no target\nhint: write inherit: true in it, or name its targets there; targets here: hub\n"),
        (GOOD, ["build", "nope"], "there is no image 'nope'\nhint: images here: hello\n"),
        (GOOD, ["deploy", "--timeout", "5"], "--timeout should be a duration such as 90s, 10m or 1h30m\n"),
        ("app: hello\nimage: {build: .}\ntargets: {hub: }\n", ["plan"],
         "deploy.yml:3:11: targets.hub: image hello has no repository to publish to\n  3 | targets: {hub: }\n    |           ^^^\nhint: add repository: to the image\n"),
    ],
)  # fmt: skip
def test_mistakes_exit_with_two(shipit: Shipit, text: str | None, arguments: list[str], expected: str) -> None:
    if text is not None:
        shipit.write(deploy__yml=text)
    done = shipit.run(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.endswith(expected)
    assert done.stdout == ""


def test_no_dockerfile_is_one_message(shipit: Shipit) -> None:
    shipit.write(deploy__yml=GOOD)
    done = shipit.run("deploy")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        f"{shipit.folder}/Dockerfile: there is no Dockerfile",
        "hint: write one, or name it with build: dockerfile:",
    ]


def test_build_prints_digests_on_stdout_and_the_rest_on_stderr(shipit: Shipit) -> None:
    shipit.write(deploy__yml=GOOD, Dockerfile="FROM scratch\nCOPY Dockerfile /\n")
    done = shipit.run("build")
    assert done.returncode == 0
    name, digest = done.stdout.split()
    assert (name, digest[:7], len(digest)) == ("hello", "sha256:", 71)
    assert shipit.run("build").stdout == done.stdout


def test_plan_exit_codes_and_json(shipit: Shipit) -> None:
    with EmbeddedRegistry() as registry:
        shipit.write(
            deploy__yml=f"app: hello\nimage: {registry.host}/hello\ntargets: {{hub: {{settle: 0s}}}}\n",
            Dockerfile="FROM scratch\nCOPY Dockerfile /\n",
        )
        done = shipit.run("plan", "--exit-code")
        assert done.returncode == 3
        assert done.stdout.splitlines()[-1] == "1 change"
        assert "change" not in done.stderr
        code, events = shipit.events("deploy")
        assert code == 0
        assert [event["event"] for event in events][:2] == ["run_started", "step_started"]
        assert events[-1]["event"] == "run_finished" and events[-1]["exit_code"] == 0
        assert shipit.run("plan", "--exit-code").returncode == 0
        status = shipit.run("status", "--output", "json")
        assert json.loads(status.stdout)["targets"][0]["place"]["kind"] == "registry"


def test_push_without_targets_pushes_what_has_a_repository(shipit: Shipit) -> None:
    with EmbeddedRegistry() as registry:
        images = f"web: {{repository: {registry.host}/web, tags: [v1]}}\n  inner: {{build: {{dockerfile: Dockerfile}}}}\n  used: {{use: redis:8}}\n"
        shipit.write(deploy__yml=f"app: hello\nimages:\n  {images}", Dockerfile="FROM scratch\nCOPY Dockerfile /\n")
        done = shipit.run("push")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1].startswith(f"{registry.host}/web@sha256:")
        assert [name for _, name in registry.tags] == ["v1"]
        again = shipit.run("push", "--output", "json")
        assert again.returncode == 0 and "sent" not in again.stdout


def test_push_with_nothing_to_push_says_so(shipit: Shipit) -> None:
    shipit.write(deploy__yml="app: hello\nimage: {build: .}\n", Dockerfile="FROM scratch\nCOPY Dockerfile /\n")
    done = shipit.run("push")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "deploy.yml: there is nothing to push\nhint: add repository: to an image, or targets: to the file\n"
    )


def test_json_tells_of_a_failure_too(shipit: Shipit) -> None:
    shipit.write(deploy__yml=GOOD)
    code, events = shipit.events("deploy")
    assert code == 1
    assert events[-1]["event"] == "run_failed" and events[-1]["exit_code"] == 1
    problems = events[-1]["problems"]
    assert problems and all(
        problem["severity"] == "error" and problem["what"] in events[-1]["message"] for problem in problems
    )
    assert "there is no Dockerfile" in events[-1]["message"]


def test_a_pipe_that_closes_early_is_no_traceback(shipit: Shipit) -> None:
    shipit.write(deploy__yml=GOOD, Dockerfile="FROM scratch\nCOPY Dockerfile /\n")
    process = shipit.start("build")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(30)


def test_the_example_file_is_valid_and_plans(shipit: Shipit) -> None:
    text = (ROOT / "deploy.example.yml").read_text()
    shipit.write(deploy__yml=text, Dockerfile="FROM scratch\n", Dockerfile__worker="FROM scratch\n")
    (shipit.folder / ".secrets").mkdir()
    (shipit.folder / ".secrets/token").write_text("token")
    for environment in ([], ["-e", "staging"]):
        done = shipit.run("validate", *environment)
        assert done.returncode == 0, done.stderr


def test_a_file_elsewhere_is_named_as_it_can_be_opened(shipit: Shipit) -> None:
    for name in ("x", "z"):
        (shipit.folder / name).mkdir()
    (shipit.folder / "x/y.yml").write_text("app: a\nimage: user/a\ntargets: {hub: }\n")
    (shipit.folder / "x/Dockerfile").write_text("FROM scratch\n")
    other = Shipit(shipit.folder / "z", Path(shipit.env["HOME"]))
    assert other.run("validate", "-f", "../x/y.yml").stdout == "../x/y.yml is valid: 1 image, 1 target\n"
    (shipit.folder / "x/y.yml").write_text("app: a\nbogus: 1\n")
    assert other.run("validate", "-f", "../x/y.yml").stderr.startswith("../x/y.yml:2:1: bogus: unknown key\n")


def test_the_placeholder_of_init_is_a_warning(shipit: Shipit) -> None:
    shipit.write(Dockerfile="FROM scratch\n", deploy__yml="app: a\nimage: your-name/a\ntargets: {hub: }\n")
    done = shipit.run("validate")
    assert done.returncode == 0
    assert done.stderr == (
        "warning: deploy.yml:2:8: image: your-name stands for your name at the registry\n"
        "  2 | image: your-name/a\n    |        ^^^^^^^^^^^\nhint: replace it by the name that you log in with\n"
    )
