"""Facts from heroku.yml, Procfile and app.json.

Source: devcenter.heroku.com, "Building Docker Images with heroku.yml", "The Procfile", "app.json Schema".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shipit.drafts.files import Build, Command, FileFacts, Pairs, Process
from shipit.drafts.reading import has_dockerfile, read_json, read_text, read_yaml, read_yaml_as_text, unreadable
from shipit.drafts.secret_values import hide_values
from shipit.drafts.values import as_list, as_map, as_text, listed, slug
from shipit.drafts.variables import invalid_names, sorted_variables

# Keys of app.json that are read, and those that describe the app.
_KNOWN_OF_AN_APP = frozenset(
    ["name", "env", "addons", "scripts", "buildpacks", "environments", "formation", "description", "keywords", "logo"]
    + ["repository", "stack", "success_url", "website", "$schema"]
)
# A process type of deploy.yml, where a key that begins with x- is the user's own.
_PROCESS = re.compile(r"(?!x-)[-A-Za-z0-9_]{1,128}")


def read_heroku_yml(root: Path) -> FileFacts:
    """Images by process type, their commands, the release command, add-ons and config vars."""
    file = "heroku.yml"
    data = read_yaml(root / file)
    if not data:
        return unreadable(file, root / file)
    config = as_map(as_map(read_yaml_as_text(root / file).get("build")).get("config"))
    args = tuple((str(key), value) for key, value in config.items() if isinstance(value, str) and value)
    todo: list[str] = []
    builds: dict[str, Build] = {}
    for process, about in as_map(as_map(data.get("build")).get("docker")).items():
        build = _build(about, args)
        if build is not None and has_dockerfile(root, build):
            builds[str(process)] = build
        else:
            todo.append(f"build.docker.{process}: there is no such Dockerfile here")
    processes = {name: Process(name, build) for name, build in builds.items() if name != "release"}
    for name, about in as_map(data.get("run")).items():
        image = as_text(as_map(about).get("image"))
        build = builds.get(image or str(name))
        processes[str(name)] = Process(str(name), build, _command(about))
        if image and build is None:
            todo.append(f"run.{name}.image: there is no image {image}")
    release = as_map(data.get("release"))
    if not _command(data.get("release")) and ("release" in builds or release.get("image")):
        todo.append("release: it has no command here: name the one that the image starts with under release:")
    setup = as_map(data.get("setup"))
    env, secrets, invalid = sorted_variables(
        _values(as_map(as_map(read_yaml_as_text(root / file).get("setup")).get("config")))
    )
    todo += [*_addons(setup.get("addons")), *invalid_names(invalid)]
    todo += [
        f"build.{key}: shipit builds from Dockerfiles"
        for key in ("languages", "packs", "pipeline")
        if key in as_map(data.get("build"))
    ]
    return FileFacts(
        file=file,
        images=tuple((slug(name), build) for name, build in builds.items()),
        processes=tuple(process for name, process in processes.items() if _PROCESS.fullmatch(name)),
        release=_command(data.get("release")),
        release_build=builds.get(as_text(release.get("image"))) or builds.get("release"),
        env=env,
        secrets=secrets,
        todo=tuple(todo),
    )


def read_procfile(root: Path) -> FileFacts:
    """Process types and their commands, and the release command."""
    lines = (re.match(r"^([A-Za-z0-9_-]+):\s*(.+)$", line) for line in read_text(root / "Procfile").splitlines())
    commands = {match[1]: match[2].strip() for match in lines if match}
    return FileFacts(
        file="Procfile",
        processes=tuple(
            Process(name, None, command)
            for name, command in commands.items()
            if name != "release" and _PROCESS.fullmatch(name)
        ),
        release=commands.get("release", ""),
    )


def read_app_json(root: Path) -> FileFacts:
    """Name, variables, dynos, add-ons and scripts."""
    data = read_json(root / "app.json")
    if not data:
        return unreadable("app.json", root / "app.json")
    values: dict[str, str | None] = {}
    optional: list[str] = []
    for name, about in as_map(data.get("env")).items():
        value = about if isinstance(about, str) else as_map(about).get("value")
        if isinstance(value, str) and value:
            values[name] = value
        elif as_map(about).get("required", True) is False:
            optional.append(name)
        elif isinstance(about, dict | str):
            values[name] = None
    env, secrets, invalid = sorted_variables(values)
    todo = list(invalid_names(invalid))
    if optional:
        todo.append(f"optional variables: {listed(optional)}")
    todo += _addons(data.get("addons"))
    todo += [
        f"scripts.{name}: {hide_values(as_text(command)).text}" for name, command in as_map(data.get("scripts")).items()
    ]
    if data.get("buildpacks"):
        todo.append("buildpacks: shipit builds from Dockerfiles")
    if left := [*(f"environments.{name}" for name in as_map(data.get("environments"))), *_others(data)]:
        todo.append(listed(left))
    processes = []
    for name, about in as_map(data.get("formation")).items():
        quantity, size = as_map(about).get("quantity"), as_map(about).get("size")
        is_count = isinstance(quantity, int) and not isinstance(quantity, bool) and 0 <= quantity < 10_000
        if _PROCESS.fullmatch(name):
            processes.append(Process(name, quantity=quantity if is_count else None, size=as_text(size).lower()))
    return FileFacts(
        file="app.json",
        app=as_text(data.get("name")),
        processes=tuple(processes),
        env=env,
        secrets=secrets,
        todo=tuple(todo),
        only_adjusts=True,
    )


def _build(about: Any, args: Pairs) -> Build | None:
    """The build of one process type: text is its Dockerfile, whose folder is the context."""
    file = about if isinstance(about, str) else as_text(as_map(about).get("dockerfile"))
    if not file or file.startswith("/"):
        return None
    folder, name = posixpath.split(posixpath.normpath(file))
    return Build(folder or ".", name, as_text(as_map(about).get("target")), args)


def _command(about: Any) -> Command:
    """A command, which may be a list of commands that run one after the other."""
    value = as_map(about).get("command") if isinstance(about, dict) else about
    if isinstance(value, list):
        return " && ".join(text for command in value if (text := str(command).strip()))
    return as_text(value).strip()


def _values(config: Mapping[str, Any]) -> dict[str, str | None]:
    return {str(name): value for name, value in config.items() if value is None or isinstance(value, str)}


def _others(app: Mapping[str, Any]) -> list[str]:
    return [str(name) for name in app if name not in _KNOWN_OF_AN_APP]


def _addons(addons: Any) -> Iterator[str]:
    names = [as_text(as_map(item).get("plan")) or as_text(item) for item in as_list(addons)]
    if found := [name for name in names if name]:
        yield f"add-ons are created by the Heroku CLI: heroku addons:create {' and '.join(found)}"
