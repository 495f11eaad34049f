"""What helps at a prompt: topics, completion, and what the program says of itself."""

from __future__ import annotations

import os
import re

import pytest

from tests.shipit import Shipit

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


def test_topics_are_listed_and_read(shipit: Shipit) -> None:
    listed = shipit.run("help")
    assert listed.returncode == 0
    names = re.findall(r"^  ([a-z-]+)  ", listed.stdout, re.MULTILINE)
    assert {"builders", "credentials", "heroku", "kubernetes", "secrets", "environments", "networks"} <= set(names)
    for name in names:
        read = shipit.run("help", name)
        assert read.returncode == 0 and len(read.stdout) > 100, name
    assert "DOCKER_CONTEXT" in shipit.run("help", "Builders").stdout
    assert shipit.run("help", "deploy").stdout.startswith("Usage: shipit deploy")


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
    ("word", "said"),
    [
        ("destroy", "Nothing that runs is removed by a command"),
        ("delete", "Nothing that runs is removed by a command"),
        ("down", "Nothing that runs is removed by a command"),
        ("deplyo", "Did you mean 'deploy'?"),
        ("stauts", "Did you mean 'status'?"),
        ("up", "What it does is called 'deploy' here"),
        ("ps", "What it does is called 'status' here"),
        ("xyzzy", "`shipit --help` lists the commands"),
    ],
)
def test_a_word_that_is_no_command(shipit: Shipit, word: str, said: str) -> None:
    done = shipit.run(word)
    assert done.returncode == 2 and f"No such command '{word}'. {said}" in done.stderr
    assert word == "deplyo" or "mean 'deploy'" not in done.stderr


def test_completion_offers_only_names_that_are_words(shipit: Shipit) -> None:
    shipit.write(
        deploy__yml='app: a\nimage: u/a\ntargets: {hub: , "h\\e[31m": {kind: hub}, "h x": {kind: hub}, "h\\nx": {kind: hub}, '
        '"h$(touch${IFS}x)": {kind: hub}, "h`id`": {kind: hub}, "h;id": {kind: hub}, "h|id": {kind: hub}, "h>x": {kind: hub}, '
        '"h\'x": {kind: hub}, "h*": {kind: hub}}\n'
    )
    shipit.env |= {"_SHIPIT_COMPLETE": "complete_bash", "COMP_WORDS": "shipit deploy h", "COMP_CWORD": "2"}
    done = shipit.run_program("shipit")
    assert done.stdout.split() == ["hub"], done
