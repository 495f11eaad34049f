"""`shipit init`: what it makes of what lies there, and what it asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.shipit import Shipit

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: prod-eu
contexts: [{name: prod-eu, context: {cluster: a}}, {name: staging, context: {cluster: b}}]
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}, {name: b, cluster: {server: "https://127.0.0.1:2"}}]
"""
GIT = """\
[core]
\tbare = false
[remote "origin"]
\turl = https://github.com/Acme-Co/Shop.git
[remote "heroku"]
\turl = https://git.heroku.com/shop-prod.git
[remote "staging"]
\turl = git@heroku.com:shop-staging.git
"""
HEAD = """\
# What shipit builds and where it releases it. Check it with `shipit validate`, see what would happen with
# `shipit plan`; `shipit help` has the rest.
"""


@pytest.fixture
def new(in_process: Shipit) -> Shipit:
    """A folder called project, in which nothing is known of clusters."""
    in_process.env["KUBECONFIG"] = str(in_process.folder.parent / "no-kubeconfig")
    return in_process


def put(shipit: Shipit, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = shipit.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def written(shipit: Shipit) -> str:
    done = shipit.run("init", "--yes")
    assert done.returncode == 0, done.stderr
    assert shipit.run("validate").returncode == 0
    return (shipit.folder / "deploy.yml").read_text().removeprefix(HEAD)


def test_a_dockerfile_alone(new: Shipit) -> None:
    put(new, {"Dockerfile": "FROM scratch\nEXPOSE 3000/tcp\n"})
    assert written(new) == (
        "app: project\n"
        "# TODO: the repository below is a guess (your-name stands for your name on Docker Hub); name the one that you push to.\n"
        "image: docker.io/your-name/project    # built from ./Dockerfile\n"
        "targets:\n  hub:    # pushes the image\n"
    )


@pytest.mark.parametrize(
    ("git", "line"),
    [
        (
            "",
            "deploy.yml is valid; targets: hub. Next: resolve its TODO lines, then shipit doctor, then shipit plan",
        ),
        (
            '[remote "heroku"]\n\turl = https://git.heroku.com/shop-prod.git\n',
            "deploy.yml is valid; targets: heroku. Next: shipit doctor, then shipit plan",
        ),
    ],
)
def test_the_last_line_names_the_targets_and_the_next_step(new: Shipit, git: str, line: str) -> None:
    put(new, {"Dockerfile": "FROM scratch\nEXPOSE 3000\n", **({".git/config": git} if git else {})})
    assert new.run("init", "--yes").stdout.splitlines()[-1] == line


def test_everything_that_a_project_may_say_of_itself(new: Shipit) -> None:
    new.env["KUBECONFIG"] = str(new.folder.parent / "kubeconfig")
    Path(new.env["KUBECONFIG"]).write_text(KUBECONFIG)
    put(
        new,
        {
            ".git/config": GIT,
            "compose.yaml": "services:\n  web: {build: ./api, ports: ['8080:3000']}\n"
            "  worker: {build: {context: ./worker, dockerfile: Dockerfile.bg}}\n  db: {image: 'postgres:16'}\n",
            "api/Dockerfile": "FROM scratch\n",
            "worker/Dockerfile.bg": "FROM scratch\n",
            "Procfile": "web: node server.js\nworker: node worker.js\nrelease: npm run migrate\n",
            "app.json": json.dumps(
                {
                    "name": "shop",
                    "env": {"SECRET_KEY": {"generator": "secret"}, "DATABASE_URL": {}, "LOG": {"value": "x"}},
                }
            ),
        },
    )
    assert written(new) == (
        "app: shop\n"
        "# TODO: the repository below is a guess (the owner of the git repository); name the one that you push to.\n"
        "images:\n"
        "  web: {repository: docker.io/acmeco/shop-web, build: {context: api}}\n"
        "  worker: {repository: docker.io/acmeco/shop-worker, build: {context: worker, dockerfile: Dockerfile.bg}}\n"
        "env:\n  LOG: x\n"
        "secrets:                      # named here, never written here: from the environment of whoever deploys\n"
        "  SECRET_KEY: {env: SECRET_KEY}\n"
        "  DATABASE_URL: {env: DATABASE_URL}\n"
        "release: {image: web, command: npm run migrate}    # runs once before anything new serves\n"
        "targets:\n"
        "  heroku:\n"
        "    app: shop-prod\n"
        "    processes:\n"
        "      web: {image: web, command: node server.js}\n"
        "      worker: {image: worker, command: node worker.js}\n"
        "  k8s:\n"
        "    context: prod-eu\n"
        "    workloads:\n"
        "      web: {image: web, command: node server.js, port: 3000}\n"
        "      worker: {image: worker, command: node worker.js}\n"
        "environments:\n"
        "  staging: {targets: {heroku: {app: shop-staging}}}\n"
        "\n"
        "# What shipit could not take over from the files of this project:\n"
        "# TODO compose.yaml: db (postgres:16): not built here, and not deployed by shipit; their URLs belong under secrets\n"
    )


def test_heroku_yml_and_manifests(new: Shipit) -> None:
    put(
        new,
        {
            "heroku.yml": "build:\n  docker:\n    web: Dockerfile\n    worker: Dockerfile.worker\nrun:\n  web: bundle exec puma\n"
            "release:\n  image: web\n  command: [./migrate]\n",
            "Dockerfile": "FROM scratch\n",
            "Dockerfile.worker": "FROM scratch\n",
            "k8s/web.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
            "package.json": '{"name": "@acme/My_Shop"}',
        },
    )
    text = written(new)
    assert "app: my-shop\n" in text
    assert "release: {image: web, command: ./migrate}" in text or 'command: "./migrate"' in text
    assert "      web: {image: web, command: bundle exec puma}\n      worker: {image: worker}\n" in text
    assert "    manifests: [k8s/]    # their images are pinned to the pushed digests\n" in text


LANGUAGES = {
    "node": ({"package.json": '{"name": "shop"}', "package-lock.json": "{}"}, "RUN npm ci --omit=dev", "EXPOSE 3000"),
    "python": ({"requirements.txt": "flask\n"}, "pip install --no-cache-dir -r requirements.txt", "EXPOSE 8000"),
    "python-package": (
        {"pyproject.toml": "[project]\nname = 'shop'\n"},
        "pip install --no-cache-dir .",
        '"-m", "shop"',
    ),
    "go": ({"go.mod": "module shop\n"}, "CGO_ENABLED=0 go build -o /app .", "EXPOSE 8080"),
    "ruby": ({"Gemfile": "source 'x'\n"}, "RUN bundle install", "EXPOSE 3000"),
    "static": ({"public/index.html": "<p>hello\n"}, "COPY public /usr/share/nginx/html", "EXPOSE 80"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_dockerfile_is_offered_where_there_is_none(new: Shipit, language: str) -> None:
    files, *lines = LANGUAGES[language]
    put(new, files)
    done = new.run("init", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == ["wrote Dockerfile", "wrote .dockerignore", "wrote deploy.yml"]
    dockerfile = (new.folder / "Dockerfile").read_text()
    assert all(line in dockerfile for line in lines), dockerfile
    assert ".env\n" in (new.folder / ".dockerignore").read_text()
    assert new.run("validate").returncode == 0


@pytest.mark.parametrize("name", ["deploy.yml", "deploy.yaml"])
def test_nothing_is_overwritten(new: Shipit, name: str) -> None:
    put(new, {name: "mine\n", "package.json": "{}"})
    done = new.run("init", "--yes")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{name}: exists already and is not overwritten\nhint: shipit validate checks it\n"
    assert (new.folder / name).read_text() == "mine\n" and not (new.folder / "Dockerfile").exists()


def test_a_link_of_the_project_leads_no_file_out_of_it(new: Shipit) -> None:
    outside = new.folder.parent / "outside"
    outside.write_text("mine\n")
    put(new, {"package.json": "{}"})
    for name in ("deploy.yml", "Dockerfile", ".dockerignore"):
        (new.folder / f".{name}.shipit").symlink_to(outside)
    done = new.run("init", "--yes")
    assert done.returncode == 0, done.stderr
    assert outside.read_text() == "mine\n"
    assert (new.folder / "deploy.yml").read_text().startswith(HEAD) and not (new.folder / "deploy.yml").is_symlink()
    assert not list(new.folder.glob(".shipit-*")), "nothing is left beside it"


def test_nothing_is_written_outside_of_the_project(new: Shipit) -> None:
    elsewhere = new.folder.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "Dockerfile").write_text("FROM scratch\n")
    put(new, {"compose.yaml": f"services: {{web: {{build: {elsewhere}}}}}\n"})
    done = new.run("init", "--yes")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "wrote deploy.yml"), done.stderr
    assert [path.name for path in elsewhere.iterdir()] == ["Dockerfile"]
    todo = f"# TODO compose.yaml: web is built from {elsewhere}/Dockerfile, which is not in this folder\n"
    assert todo in (new.folder / "deploy.yml").read_text()


def test_nobody_there_to_ask(new: Shipit) -> None:
    done = new.run("init")
    assert (done.returncode, done.stderr) == (
        2,
        "can't ask: this is no terminal\nhint: shipit init --yes takes what it finds\n",
    )


@pytest.mark.program
def test_only_what_can_not_be_known_is_asked(new: Shipit) -> None:
    new.env |= {"TERM": "xterm", "KUBECONFIG": str(new.folder.parent / "kubeconfig")}
    Path(new.env["KUBECONFIG"]).write_text(KUBECONFIG)
    put(new, {"package.json": '{"name": "shop"}', ".dockerignore": "mine\n"})
    code, shown = new.converse(
        ["init"],
        [
            ("There is no Dockerfile. Write one for node?", "y"),
            ("Name of the app [shop]", ""),
            ("Repository to push to [docker.io/USER/shop]", "acme/shop:v1"),
            ("'acme/shop:v1' should be a repository without tag or digest: write acme/shop", "acme/shop@sha256:1"),
            ("'acme/shop@sha256:1' should end in @sha256: and 64 hexadecimal digits", "acme/Shop"),
            ("'acme/Shop' should be an image reference in lower case, for example", "acme/shop"),
            ("Heroku app (none: not to Heroku) [none]", "Shop Prod"),
            ("'Shop Prod' should be the name of a Heroku app", "shop-prod"),
            ("Kubernetes context: prod-eu, staging (none: not to Kubernetes) [prod-eu]", "prod"),
            ("'prod' is none of these", "staging"),
        ],
    )
    assert code == 0, shown
    assert (new.folder / "deploy.yml").read_text().removeprefix(HEAD) == (
        "app: shop\nimage: docker.io/acme/shop    # built from ./Dockerfile\ntargets:\n"
        "  heroku: {app: shop-prod}\n  k8s: {context: staging, port: 3000}\n"
    )
    assert (new.folder / ".dockerignore").read_text() == "mine\n"


@pytest.mark.parametrize(
    "files",
    [
        {"compose.yaml": "services: [a, b]\n", "Procfile": "\x00\n", "app.json": "[1", "heroku.yml": "build: 3\n"},
        {"compose.yaml": "services: {web: {build: 3, ports: {a: b}}, db: {image: [x]}}\n", "app.json": '{"env": [1]}'},
        {"package.json": '{"name": 5}', "pyproject.toml": "[[[", "heroku.yml": "run: {web: {command: [a]}}\nbuild: {docker: {web: {a: b}}}\n"},
        {"compose.yaml": "? " * 50_000, "k8s/a.yaml": "- " * 50_000, ".git/config": "[remote \"x"},
        {"Dockerfile.Ünïcode": "FROM scratch\n", "Dockerfile.": "FROM scratch\n", "Dockerfile": "EXPOSE 99999\n"},
    ],
)  # fmt: skip
def test_odd_files_are_as_if_they_were_not_there(new: Shipit, files: dict[str, str]) -> None:
    put(new, files)
    done = new.run("init", "--yes")
    assert done.returncode == 0, done.stderr
    if "Dockerfile" not in files:
        assert (
            done.stdout.endswith("Next: write a Dockerfile, then shipit validate\n")
            or "wrote Dockerfile" in done.stdout
        )
        (new.folder / "Dockerfile").write_text("FROM scratch\n")
    assert new.run("validate").returncode == 0


def test_what_belongs_to_the_shell_stays_the_shells(new: Shipit) -> None:
    put(new, {"Dockerfile": "FROM scratch\n", "Procfile": "web: serve --bind ${HOST:-0.0.0.0}:$PORT\nworker: true\n"})
    text = written(new)
    assert 'web: {command: "serve --bind $${HOST:-0.0.0.0}:$PORT"}' in text and 'worker: {command: "true"}' in text
    resolved = new.run("validate", "--resolved").stdout
    assert "${HOST:-0.0.0.0}:$PORT" in resolved
