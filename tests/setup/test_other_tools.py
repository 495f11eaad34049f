"""Files of other tools, each read alone: the facts that deploy.yml is drafted from, and what a person has to take over."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from shipit.drafts.files import Build, FileFacts, Process
from shipit.drafts.reading import has_dockerfile
from shipit.setup.compose import read_compose
from shipit.setup.fly import read_fly
from shipit.setup.kamal import read_kamal
from shipit.setup.skaffold import read_skaffold
from shipit.targets.heroku.project_files import read_app_json, read_heroku_yml, read_procfile

Read = Callable[[Path], FileFacts]


@pytest.fixture
def facts(tmp_path: Path) -> Callable[..., FileFacts]:
    """Reads a project of some files; each Dockerfile that is named is there."""

    def read(reader: Read, file: str, text: str, *dockerfiles: str) -> FileFacts:
        for name in (file, *dockerfiles):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text if name == file else "FROM scratch\n")
        return reader(tmp_path)

    return read


READERS: list[tuple[Read, str]] = [
    (read_compose, "compose.yaml"),
    (read_fly, "fly.toml"),
    (read_kamal, "config/deploy.yml"),
    (read_skaffold, "skaffold.yaml"),
    (read_heroku_yml, "heroku.yml"),
    (read_procfile, "Procfile"),
    (read_app_json, "app.json"),
]


@pytest.mark.parametrize(("reader", "file"), READERS, ids=[file for _, file in READERS])
@pytest.mark.parametrize("text", ["", "\0", "[", "7", "- a\n", "{a: {b: [", "{a: &a [*a]}"], ids=ascii)
def test_a_file_that_says_nothing_gives_no_facts(
    facts: Callable[..., FileFacts], reader: Read, file: str, text: str
) -> None:
    found = facts(reader, file, text)
    assert not (found.images or found.processes or found.env or found.secrets or found.release)
    is_told = bool(text) and file != "Procfile"
    assert found.todo == (("not read: it is not valid, or not what its tool expects",) if is_told else ())


@pytest.mark.parametrize(
    ("service", "process"),
    [
        ("{build: .}", Process("web", Build())),
        ("{build: '', ports: ['8080:80']}", Process("web", Build(), port=80)),
        ("{build: ., ports: [{target: 3000, published: 80}]}", Process("web", Build(), port=3000)),
        ("{build: ., ports: ['${PORT:-5000}:${PORT:-5000}']}", Process("web", Build(), port=5000)),
        ("{build: ., expose: ['53/udp', '9000']}", Process("web", Build(), port=9000)),
        ("{build: ., command: npm run 'start it'}", Process("web", Build(), ("npm", "run", "start it"))),
        ("{build: ., entrypoint: [sh, -c], command: ['echo $$HOME']}",
         Process("web", Build(), ("sh", "-c", "echo $HOME"))),
        ("{build: ., command: \"it's\"}", Process("web", Build(), "it's")),
        ("{build: ., deploy: {replicas: 3}}", Process("web", Build(), quantity=3)),
        ("{build: ., deploy: {replicas: '${COPIES:-4}'}}", Process("web", Build(), quantity=4)),
        ("{build: ., scale: 2}", Process("web", Build(), quantity=2)),
        ("{build: ., deploy: {replicas: many}}", Process("web", Build())),
        ("{build: ., ports: ['80'], healthcheck: {test: [CMD, curl, 'http://localhost/up']}}",
         Process("web", Build(), port=80, health="/up")),
        ("{build: ., ports: ['80'], healthcheck: {test: 'curl http://db:5432/x'}}", Process("web", Build(), port=80)),
        ("{build: {context: ., target: prod, args: {A: '1', B: $X}}}",
         Process("web", Build(stage="prod", args=(("A", "1"), ("B", "${X}"))))),
        ("{build: {args: ['A=1', B]}}", Process("web", Build(args=(("A", "1"),)))),
    ],
    ids=["a build", "a port", "a long port", "a default", "expose", "words", "argv", "text that is no words",
         "replicas", "replicas with a default", "scale", "no number", "a health check", "a check of another host", "a stage and arguments",
         "a list of arguments"],
)  # fmt: skip
def test_a_service_of_compose_is_a_process(facts: Callable[..., FileFacts], service: str, process: Process) -> None:
    found = facts(read_compose, "compose.yaml", f"services: {{web: {service}}}\n", "Dockerfile")
    # No command is no argv here.
    assert found.processes == (process._replace(command=process.command or ()),)


@pytest.mark.parametrize(
    ("services", "todo"),
    [
        ("{web: {build: .}, db: {image: postgres:16}}",
         ["db (postgres:16): not built here, and not deployed by shipit; their URLs belong under secrets"]),
        ("{web: {build: ./none}}", ["web is built from none/Dockerfile, which is not in this folder"]),
        ("{web: {build: ../other}}", ["web is built from ../other/Dockerfile, which is not in this folder"]),
        ("{web: {build: ., profiles: [debug]}}", ["web runs only with the profile debug"]),
        ("{web: {build: ., volumes: ['a:/b'], privileged: true}}", ["services.web: volumes and privileged"]),
        ("{web: {build: {context: ., ssh: [default]}}}", ["services.web: build.ssh"]),
        ("{web: {build: ., ports: ['53:53/udp', '80:3000', {target: 9000, protocol: udp}, '127.0.0.1:81:3001'], expose: [3000, 7]}}",
         ["services.web: only port 3000 is taken, not 3001, 7, 53/udp and 9000/udp"]),
        ("{web: {build: ., ports: ['53:53/udp', '54:54/udp']}}",
         ["services.web: only port numbers of TCP are taken, not 53/udp and 54/udp"]),
        ("{web: {build: ., deploy: {replicas: 999999}}, a: {build: ., scale: many}}",
         ["services.web: replicas 999999: should be a number of at most four digits",
          "services.a: replicas many: should be a number of at most four digits"]),
        ("{web: {build: ., x-own: 1, restart: always, depends_on: [db]}}", []),
        ("{web: {build: ., env_file: none.env}}",
         ["env_file none.env is not here: name its variables under env or secrets"]),
        ("{web: {build: {dockerfile_inline: FROM scratch}}}",
         ["web is built from dockerfile_inline, which is not read: write it to a Dockerfile"]),
        ("{web: {build: 'https://example.com/a.git#main'}, api: {build: {context: git@example.com:a.git}}}",
         ["web is built from https://example.com/a.git#main, which is not in this folder",
          "api is built from git@example.com:a.git, which is not in this folder"]),
        ("{web: {build: ., ports: ['3000-3005:4000-4005', '5000-5001']}}",
         ["services.web: only port 4000 is taken, not 4001-4005, 5000 and 5001"]),
        ("{web: {build: ., command: 'run ${MODE:-fast} $$HOME $NAME ${OTHER}'}}",
         ["services.web: Compose replaces NAME and OTHER in its command, deploy.yml does not"]),
        ("{web: {extends: {file: ../common.yml, service: app}}, b: {extends: none}, c: {extends: {service: c}}}",
         ["web extends app of ../common.yml, which is not in this folder", "b extends none, which is not in this folder",
          "c extends c, which extends it"]),
    ],
    ids=["an image of others", "no Dockerfile", "outside of the project", "a profile", "keys that nothing stands for",
         "keys of a build", "further ports", "ports of UDP alone", "too many replicas", "keys without a meaning here", "a file of variables", "a Dockerfile in the file", "a build from a URL", "ranges of ports", "variables in a command",
         "a base that is not there"],
)  # fmt: skip
def test_what_compose_says_and_shipit_does_not_take_is_told(
    facts: Callable[..., FileFacts], services: str, todo: list[str]
) -> None:
    assert list(facts(read_compose, "compose.yaml", f"services: {services}\n", "Dockerfile").todo) == todo


def test_what_services_take_over_from_one_another_is_bounded(facts: Callable[..., FileFacts]) -> None:
    chain = "".join(f"  s{number}: {{extends: s{number + 1}}}\n" for number in range(100))
    found = facts(read_compose, "compose.yaml", f"services:\n{chain}  s100: {{build: .}}\n", "Dockerfile")
    assert [process.name for process in found.processes] == [f"s{number}" for number in range(84, 101)]
    assert len(found.todo) == 84 and found.todo[0].endswith(
        "which is not read: init follows at most 16 steps, 50 files and 100,000 values"
    )
    wide = "".join(f"  s{number}: {{extends: base}}\n" for number in range(200))
    ports = ", ".join(map(str, range(1, 1001)))
    text = f"services:\n{wide}  base: {{build: ., expose: [{ports}]}}\n"
    assert len(facts(read_compose, "compose.yaml", text, "Dockerfile").processes) == 101


def test_arguments_of_a_build_are_joined_with_those_of_the_service_that_it_extends(
    facts: Callable[..., FileFacts],
) -> None:
    base = "base: {build: {args: {A: 1, B: 2}}}"
    text = f"services: {{web: {{extends: base, build: {{context: ., args: [B=3, C=4]}}}}, {base}}}\n"
    found = facts(read_compose, "compose.yaml", text, "Dockerfile")
    assert dict(found.images[0][1].args if found.images else ()) == {"A": "1", "B": "3", "C": "4"}, found.todo
    unnamed = facts(read_compose, "compose.yaml", "services: {web: {build: ., extends: {file: compose.yaml}}}\n")
    assert unnamed.todo[0] == "web extends a service without a name of compose.yaml, which is not in this folder"


@pytest.mark.parametrize(
    ("others", "todo"),
    [
        ({}, ["it includes compose.yaml, which includes it"]),
        ({"a.yaml": "include: [b.yaml, b.yaml]", "b.yaml": "include: [a.yaml, a.yaml, compose.yaml]"},
         ["it includes a.yaml, which includes it", "it includes compose.yaml, which includes it"]),
        ({"a.yaml": "services: {api: {build: .}}"}, []),
        ({f"{one}.yaml": f"include: {[f'{other}.yaml'] * 9}" for one, other in pairwise("abcdefghijk")}
         | {"k.yaml": "services: {}"}, []),
    ],
    ids=["itself", "one another", "the same file many times", "files without services"],
)  # fmt: skip
def test_a_file_that_is_included_many_times_is_read_once(
    facts: Callable[..., FileFacts], tmp_path: Path, others: dict[str, str], todo: list[str]
) -> None:
    for name, text in others.items():
        (tmp_path / name).write_text(f"{text}\n")
    included = ["a.yaml" if others else "compose.yaml"] * 30
    text = f"include: {included}\nservices: {{web: {{build: .}}}}\n"
    assert list(facts(read_compose, "compose.yaml", text, "Dockerfile").todo) == todo


LONG = "n" * 300
# Name -> a build that is not in the project: its context, and its Dockerfile relative to the context.
OUTSIDE = {
    "an absolute context": ("{elsewhere}", "Dockerfile"),
    "an absolute Dockerfile": (".", "{elsewhere}/Dockerfile"),
    "the folder above": ("../elsewhere", "Dockerfile"),
    "a folder above its own": ("a/../../elsewhere", "Dockerfile"),
    "a Dockerfile above the context": (".", "a/../../elsewhere/Dockerfile"),
    "a context outside with a Dockerfile inside": ("../elsewhere", "../project/Dockerfile"),
    "a link as context": ("link", "Dockerfile"),
    "a Dockerfile behind a link": (".", "link/Dockerfile"),
    "a long context": (LONG, "Dockerfile"),
    "a long Dockerfile": (".", LONG),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a Dockerfile, beside a folder that has one, too, and a link to that folder."""
    root = tmp_path / "project"
    for folder in (root / "a", root / "config", tmp_path / "elsewhere"):
        folder.mkdir(parents=True)
    for folder in (root, root / "a", tmp_path / "elsewhere"):
        (folder / "Dockerfile").write_text("FROM scratch\n")
    (root / "link").symlink_to("../elsewhere")
    return root


@pytest.mark.parametrize(("context", "dockerfile"), OUTSIDE.values(), ids=OUTSIDE)
def test_a_dockerfile_outside_of_the_project_is_not_there(project: Path, context: str, dockerfile: str) -> None:
    elsewhere = str(project.parent / "elsewhere")
    build = Build(context.format(elsewhere=elsewhere), dockerfile.format(elsewhere=elsewhere))
    assert not has_dockerfile(project, build)


@pytest.mark.parametrize(
    "build",
    [Build(), Build("a"), Build("a", "../Dockerfile"), Build(".", "a/../Dockerfile"), Build("{project}/a")],
    ids=["the root", "a folder", "above the context", "a path with dots", "an absolute path"],
)
def test_a_dockerfile_in_the_project_is_there(project: Path, build: Build) -> None:
    assert has_dockerfile(project, build._replace(context=build.context.format(project=project)))
    link = project.parent / "link-to-project"
    link.symlink_to(project)
    assert has_dockerfile(link, build._replace(context=build.context.format(project=link)))


@pytest.mark.parametrize("context", ["{elsewhere}", "../elsewhere", "link", LONG])
@pytest.mark.parametrize(
    ("reader", "file", "text"),
    [
        (read_compose, "compose.yaml", "services: {{web: {{build: '{context}'}}}}\n"),
        (read_kamal, "config/deploy.yml", "service: shop\nservers: [a]\nbuilder: {{context: '{context}', dockerfile: '{context}/Dockerfile'}}\n"),
        (read_fly, "fly.toml", "[build]\ndockerfile = '{context}/Dockerfile'\n"),
        (read_skaffold, "skaffold.yaml", "build: {{artifacts: [{{image: web, context: '{context}'}}]}}\nmanifests: {{rawYaml: ['{context}']}}\n"),
        (read_heroku_yml, "heroku.yml", "build: {{docker: {{web: '{context}/Dockerfile'}}}}\n"),
    ],
    ids=["compose", "kamal", "fly", "skaffold", "heroku"],
)  # fmt: skip
def test_no_image_is_built_outside_of_the_project(
    project: Path, reader: Read, file: str, text: str, context: str
) -> None:
    (project / file).write_text(text.format(context=context.format(elsewhere=project.parent / "elsewhere")))
    found = reader(project)
    assert not found.images and all(process.build is None for process in found.processes)


def test_variables_of_compose_are_values_secrets_and_files(facts: Callable[..., FileFacts]) -> None:
    text = "services: {web: {build: ., image: 'me/shop:${TAG:-v1}', environment: [MODE=prod, SECRET_KEY=abc, LATER]}}\n"
    found = facts(read_compose, "compose.yaml", text, "Dockerfile")
    assert found.env == (("MODE", "prod"),)
    assert set(found.secrets) == {"SECRET_KEY", "LATER"}
    assert found.repositories == ((Build(), "me/shop"),)


@pytest.mark.parametrize(
    ("present", "read", "unread"),
    [
        (("docker-compose.yml", "compose.yaml"), "compose.yaml", "docker-compose.yml: not read"),
        (
            ("compose.override.yml", "docker-compose.prod.yml"),
            "docker-compose.prod.yml",
            "compose.override.yml: not read",
        ),
        (("docker-compose.dev.yml",), "docker-compose.dev.yml", ""),
        (("compose.a.yml", "compose.b.yml"), "", "compose.a.yml and compose.b.yml: not read"),
    ],
)
def test_which_of_several_compose_files_is_read(
    tmp_path: Path, present: tuple[str, ...], read: str, unread: str
) -> None:
    for name in present:
        (tmp_path / name).write_text("services: {}\n")
    found = read_compose(tmp_path)
    assert found.file == read and "".join(found.todo) == unread


FLY = """
app = "shop"
primary_region = "fra"
[build]
  dockerfile = "Dockerfile"
  build-target = "prod"
[env]
  PORT = "8080"
  MODE = "prod"
  WORKERS = 2
[deploy]
  release_command = "migrate"
[processes]
  app = "serve"
  worker = "work"
[http_service]
  internal_port = 8080
  processes = ["app"]
  [[http_service.checks]]
    path = "/up"
[[mounts]]
  source = "data"
"""


def test_fly_toml(facts: Callable[..., FileFacts]) -> None:
    found = facts(read_fly, "fly.toml", FLY, "Dockerfile")
    build = Build(stage="prod")
    assert found.app == "shop" and found.images == (("web", build),) and found.release == "migrate"
    assert found.processes == (Process("web", build, "serve", 8080, "/up"), Process("worker", build, "work"))
    assert dict(found.env) == {"MODE": "prod", "WORKERS": "2"}
    assert found.todo == ("mounts", "secrets that fly keeps are not in the file: name them under secrets")


@pytest.mark.parametrize("key", ["image", "builder", "buildpacks"])
def test_fly_toml_that_builds_from_no_dockerfile(facts: Callable[..., FileFacts], key: str) -> None:
    found = facts(read_fly, "fly.toml", f'app = "shop"\n[build]\n{key} = "x"\n', "Dockerfile")
    assert found.images == () and found.processes == (Process("web"),)
    assert found.todo[0] == f"build.{key}: shipit builds from a Dockerfile, or takes an image by use:"


KAMAL = """
service: shop
image: me/shop
registry: {server: ghcr.io}
servers:
  web: [192.0.2.1]
  job: {hosts: [192.0.2.2], cmd: bin/jobs}
proxy: {app_port: 3000, host: shop.example.com}
env: {clear: {MODE: prod, RUBY: <%= x %>}, secret: [KEY, "DB:PROD_DB"]}
builder: {arch: amd64, target: prod, args: {A: "1"}, cache: {type: registry}}
accessories: {db: {image: postgres:16}}
logging: {driver: x}
aliases: {console: x}
"""


def test_deploy_yml_of_kamal(facts: Callable[..., FileFacts]) -> None:
    found = facts(read_kamal, "config/deploy.yml", KAMAL, "Dockerfile")
    build = Build(stage="prod", args=(("A", "1"),))
    assert found.images == (("web", build),) and found.repositories == ((build, "ghcr.io/me/shop"),)
    web = Process("web", build, "", 3000, "/up", "shop.example.com")
    assert found.processes == (web, Process("job", build, "bin/jobs"))
    assert found.env == (("MODE", "prod"),) and set(found.secrets) == {"RUBY", "KEY", "DB"}
    assert found.todo == ("accessories are not deployed by shipit: db (postgres:16)", "logging", "builder.cache")


@pytest.mark.parametrize(
    ("more", "todo"),
    [
        ("servers: {web: {hosts: [a], options: {memory: 1g}, labels: {a: b}, env: {clear: {A: b}}}}",
         ["servers.web.options, servers.web.labels and servers.web.env"]),
        ("servers: [a]\nproxy: {response_timeout: 10, ssl: true, healthcheck: {path: /up, interval: 3}}",
         ["proxy.response_timeout", "proxy.ssl: on Docker hosts the proxy gets certificates for host: by itself; on Kubernetes write tls:",
          "proxy.healthcheck.interval"]),
        ("servers: [a]\nproxy: {ssl: false}", []),
        ("servers: [a]\nregistry: {password: [P]}",
         ["registry.password: shipit uses the login of docker login, or of shipit login"]),
        ("servers: [a]\nssh: {port: 2222, user: app, proxy: b}\nenv: {A: b}", ["ssh.proxy"]),
        ("servers: [a]\nenv: {clear: {A: b}, tags: {c: {}}}\ndeploy_timeout: 10", ["deploy_timeout", "env.tags"]),
        ("servers: [a]\nbuilder: {arch: [amd64, riscv]}",
         ["builder.arch: riscv: name it under platforms of the image's build"]),
        ("servers: [a]\nbuilder: {arch: [{a: b}]}", []),
    ],
    ids=["keys of a role", "keys of the proxy", "no certificate", "a password", "keys of ssh", "keys of env", "an architecture", "no architecture"],
)  # fmt: skip
def test_what_kamal_says_and_shipit_does_not_take_is_told(
    facts: Callable[..., FileFacts], more: str, todo: list[str]
) -> None:
    found = facts(read_kamal, "config/deploy.yml", f"service: shop\n{more}\n", "Dockerfile")
    assert sorted(found.todo) == sorted(todo)


@pytest.mark.parametrize(
    ("arch", "platforms"),
    [("amd64", ()), ("arm64", ("linux/arm64",)), ("[amd64, arm64]", ()), ("[arm64, riscv64]", ("linux/arm64",))],
)
def test_the_architecture_of_kamal_is_a_platform(
    facts: Callable[..., FileFacts], arch: str, platforms: tuple[str, ...]
) -> None:
    text = f"service: shop\nservers: [a]\nbuilder: {{arch: {arch}}}\n"
    [(_, build)] = facts(read_kamal, "config/deploy.yml", text, "Dockerfile").images
    assert build.platforms == platforms


@pytest.mark.parametrize(
    ("more", "todo"),
    [
        ("[http_service]\ninternal_port = 1\nforce_https = true\nmin_machines_running = 1\n[http_service.concurrency]\nsoft_limit = 1\n",
         "http_service.force_https, http_service.min_machines_running and http_service.concurrency"),
        ("[deploy]\nrelease_command = 'x'\nstrategy = 'bluegreen'\n", "deploy.strategy"),
        ("[[vm]]\nmemory = '1gb'\n[[vm]]\ncpus = 2\nmemory = '2gb'\n", "vm.memory and vm.cpus"),
    ],
)  # fmt: skip
def test_what_fly_says_and_shipit_does_not_take_is_told(facts: Callable[..., FileFacts], more: str, todo: str) -> None:
    assert facts(read_fly, "fly.toml", f"app = 'shop'\n{more}", "Dockerfile").todo[0] == todo


def test_a_release_image_of_heroku_yml_without_a_command_is_told(facts: Callable[..., FileFacts]) -> None:
    text = "build: {docker: {web: Dockerfile}}\nrelease: {image: web}\n"
    assert facts(read_heroku_yml, "heroku.yml", text, "Dockerfile").todo == (
        "release: it has no command here: name the one that the image starts with under release:",
    )


def test_buildpacks_and_environments_of_app_json_are_told(facts: Callable[..., FileFacts]) -> None:
    text = '{"name": "a", "stack": "container", "buildpacks": [{"url": "x"}], "environments": {"test": {}}, "other": 1}'
    assert facts(read_app_json, "app.json", text).todo == (
        "buildpacks: shipit builds from Dockerfiles",
        "environments.test and other",
    )


@pytest.mark.parametrize(
    ("server", "repository"),
    [("", "me/shop"), ("registry: {server: localhost:5000}", "me/shop"), ("registry: {server: '<%= x %>'}", "")],
)
def test_the_repository_of_kamal(facts: Callable[..., FileFacts], server: str, repository: str) -> None:
    text = f"service: shop\nimage: me/shop\nservers: [192.0.2.1]\n{server}\n"
    found = facts(read_kamal, "config/deploy.yml", text, "Dockerfile")
    assert [name for _, name in found.repositories] == ([repository] if repository else [])
    assert found.processes == (Process("web", Build(), "", 80, "/up"),)


SKAFFOLD = """
metadata: {name: shop}
build:
  artifacts:
  - {image: registry.example.com/me/web, docker: {target: prod, buildArgs: {A: "1", B: "{{.X}}"}}}
  - {image: worker, context: worker}
  - {image: java, jib: {}}
manifests: {rawYaml: [k8s/*.yaml, none/a.yaml, https://example.com/a.yaml], helm: {}}
portForward: []
"""


def test_skaffold_yaml(facts: Callable[..., FileFacts]) -> None:
    found = facts(read_skaffold, "skaffold.yaml", SKAFFOLD, "Dockerfile", "k8s/web.yaml")
    build = Build(stage="prod", args=(("A", "1"),))
    assert found.app == "shop" and found.images == (("web", build),) and found.manifests == ("k8s/",)
    assert found.repositories == ((build, "registry.example.com/me/web"),)
    assert found.todo == (
        "worker: there is no worker/Dockerfile",
        "java is built by jib, not from a Dockerfile",
        "manifests none/a.yaml and https://example.com/a.yaml",
        "manifests.helm: name it under helm:",
        "portForward",
    )


HEROKU = """
setup: {addons: [{plan: heroku-postgresql}], config: {MODE: "1.10"}}
build:
  docker: {web: Dockerfile, worker: {dockerfile: worker/Dockerfile, target: prod}, cron: none/Dockerfile}
  config: {A: "1"}
  languages: [ruby]
run:
  worker: {command: [prepare, work], image: worker}
  extra: {command: x, image: missing}
  x-own: y
release: {image: web, command: [migrate]}
"""


def test_heroku_yml(facts: Callable[..., FileFacts]) -> None:
    found = facts(read_heroku_yml, "heroku.yml", HEROKU, "Dockerfile", "worker/Dockerfile")
    web, worker = Build(args=(("A", "1"),)), Build("worker", stage="prod", args=(("A", "1"),))
    assert found.images == (("web", web), ("worker", worker))
    assert found.processes == (
        Process("web", web),
        Process("worker", worker, "prepare && work"),
        Process("extra", None, "x"),
    )
    assert (found.release, found.release_build) == ("migrate", web)
    assert found.env == (("MODE", "1.10"),)
    assert found.todo == (
        "build.docker.cron: there is no such Dockerfile here",
        "run.extra.image: there is no image missing",
        "add-ons are created by the Heroku CLI: heroku addons:create heroku-postgresql",
        "build.languages: shipit builds from Dockerfiles",
    )


def test_a_procfile(facts: Callable[..., FileFacts]) -> None:
    text = "web: serve --port $PORT\n# a comment\nworker:   work\nrelease: migrate\nx-own: y\nbad line\n"
    found = facts(read_procfile, "Procfile", text)
    assert found.processes == (Process("web", None, "serve --port $PORT"), Process("worker", None, "work"))
    assert found.release == "migrate"


@pytest.mark.parametrize(
    ("env", "values", "secrets", "todo"),
    [
        ('{"MODE": "prod"}', (("MODE", "prod"),), (), ()),
        ('{"MODE": {"value": "prod"}}', (("MODE", "prod"),), (), ()),
        ('{"SECRET_KEY": {"generator": "secret"}}', (), ("SECRET_KEY",), ()),
        ('{"MODE": {"required": false}}', (), (), ("optional variables: MODE",)),
        ('{"no name": "x"}', (), (), ("env 'no name' is no name that a variable can have",)),
    ],
    ids=["text", "a value", "generated", "optional", "an invalid name"],
)
def test_variables_of_app_json(facts: Callable[..., FileFacts], env: str, values: Any, secrets: Any, todo: Any) -> None:
    found = facts(read_app_json, "app.json", f'{{"name": "shop", "env": {env}}}')
    assert (found.app, found.env, found.secrets, found.todo) == ("shop", values, secrets, todo)


@pytest.mark.parametrize(
    ("row", "process"),
    [
        ('{"quantity": 2, "size": "Standard-1X"}', Process("web", quantity=2, size="standard-1x")),
        ('{"quantity": true}', Process("web")),
        ('{"quantity": -1}', Process("web")),
        ('{"quantity": 99999}', Process("web")),
    ],
)
def test_the_formation_of_app_json(facts: Callable[..., FileFacts], row: str, process: Process) -> None:
    found = facts(read_app_json, "app.json", f'{{"formation": {{"web": {row}, "x-own": {{}}}}}}')
    assert found.processes == (process,) and found.only_adjusts
