"""`shipit init` beside the files of other tools: what they say is taken over, and what can't be is named."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.cli.test_init import HEAD, put
from tests.shipit import Shipit

NODE = 'FROM node:22 AS build\nEXPOSE 9999\nFROM node:22\nARG PORT=3000\nEXPOSE $PORT\nCMD ["node", "server.js"]\n'
CLUSTER = "apiVersion: v1\ncurrent-context: prod\ncontexts: [{name: prod, context: {}}]\n"
SECRETS = "secrets:                      # named here, never written here: from the environment of whoever deploys\n"
TODO = "\n# What shipit could not take over from the files of this project:\n"
RELEASE = "    # runs once before anything new serves\n"
NOBODY = "# TODO: the repository below is a guess (your-name stands for your name on Docker Hub); name the one that you push to.\n"


@pytest.fixture
def new(in_process: Shipit) -> Shipit:
    """A folder called project, beside a kubeconfig of one context."""
    kubeconfig = in_process.folder.parent / "kubeconfig"
    kubeconfig.write_text(CLUSTER)
    in_process.env["KUBECONFIG"] = str(kubeconfig)
    return in_process


def draft(shipit: Shipit, files: dict[str, str]) -> str:
    """The file that init writes; it is valid."""
    put(shipit, files)
    done = shipit.run("init", "--yes")
    assert done.returncode == 0, done.stderr
    checked = shipit.run("validate")
    assert checked.returncode == 0, checked.stderr
    return (shipit.folder / "deploy.yml").read_text().removeprefix(HEAD)


COMPOSE = """\
x-common: &common
  environment: &env {LOG: debug, RATE: 1.10, DATABASE_URL: "postgres://u:p@db/x", MAILER: "${MAILER:-none}", APIKEY: $KEY}
services:
  web:
    <<: *common
    build: {context: ., dockerfile: docker/Dockerfile, target: prod, args: {V: 1.10}}
    image: ghcr.io/acme/shop:latest
    env_file: [.env, missing.env]
    ports: ["127.0.0.1:8080:3000/tcp"]
    volumes: ["uploads:/app/uploads"]
    healthcheck: {test: "curl -f http://localhost:3000/healthz || exit 1"}
  worker:
    <<: *common
    build: {context: ., dockerfile: docker/Dockerfile, target: prod, args: {V: 1.10}}
    command: node worker.js --n "$$N"
    environment: {<<: *env, LOG: info}
    deploy: {replicas: 2}
  debug: {build: ., profiles: [debug]}
  db: {image: "postgres:16"}
"""


FOREIGN = (
    "services:\n  db: {image: 'postgres:16', environment: {POSTGRES_PASSWORD: $SECRET}}\n  admin: {image: adminer}\n"
)


def test_a_compose_file_with_images_of_others_only_is_a_project_without_an_image(new: Shipit) -> None:
    new.env["KUBECONFIG"] = str(new.folder / "none")
    text = draft(new, {"compose.yaml": FOREIGN})
    assert text.startswith("app: project\nsecrets:") and "SECRET: {env: SECRET}" in text, text
    assert text.endswith(
        "targets:\n  compose:    # runs compose.yaml on the engine of the docker command; host: names another one\n"
    )


@pytest.mark.parametrize("file", ["Dockerfile", "package.json"])
def test_a_compose_file_with_images_of_others_is_not_drafted_beside_an_app(new: Shipit, file: str) -> None:
    new.env["KUBECONFIG"] = str(new.folder / "none")
    text = draft(new, {"compose.yaml": FOREIGN, file: "FROM scratch\n" if file == "Dockerfile" else "{}"})
    assert "  hub:" in text and "  compose:" not in text, text


def test_compose_services_of_one_build_are_processes_of_one_image(new: Shipit) -> None:
    files = {
        "compose.yaml": COMPOSE,
        "docker-compose.override.yml": "services: {}\n",
        "docker/Dockerfile": NODE.replace("FROM node:22\n", "FROM node:22 AS prod\n"),
        "Dockerfile.dev": NODE,
        ".env": "SECRET_A=1\nexport B=2\n",
    }
    assert draft(new, files) == (
        "app: project\n"
        'image: {repository: ghcr.io/acme/shop, build: {dockerfile: docker/Dockerfile, stage: prod, args: {V: "1.10"}}}\n'
        'dotenv: [{path: ".env", required: false}]\n'
        "env:\n"
        '  RATE: "1.10"\n'
        '  MAILER: "${MAILER:-none}"\n'
        f"{SECRETS}"
        "  SECRET_A: {env: SECRET_A}\n"
        "  B: {env: B}\n"
        "  DATABASE_URL: {env: DATABASE_URL}\n"
        "  APIKEY: {env: APIKEY}\n"
        "targets:\n"
        "  k8s:\n"
        "    context: prod\n"
        "    workloads:\n"
        '      web: {port: 3000, health: "/healthz", env: {LOG: debug}}\n'
        '      worker: {command: [node, worker.js, "--n", "$N"], replicas: 2, env: {LOG: info}}\n'
        f"{TODO}"
        "# TODO compose.yaml: env_file missing.env is not here: name its variables under env or secrets\n"
        "# TODO compose.yaml: services.web: volumes\n"
        "# TODO compose.yaml: debug runs only with the profile debug\n"
        "# TODO compose.yaml: db (postgres:16): not built here, and not deployed by shipit; their URLs belong under secrets\n"
        "# TODO compose.yaml: docker-compose.override.yml: not read\n"
        "# TODO Dockerfiles: Dockerfile.dev: not taken for an image of the app\n"
    )


def test_no_value_of_a_secret_is_written(new: Shipit) -> None:
    text = draft(new, {"compose.yaml": COMPOSE, "docker/Dockerfile": NODE, ".env": "SECRET_A=canary-4711\n"})
    assert "canary-4711" not in text and "u:p@" not in text
    assert "# TODO docker/Dockerfile: there is no stage prod, which the image project should be\n" in text


def test_fly_toml(new: Shipit) -> None:
    toml = """\
app = "shop-fly"
[build]
dockerfile = "Dockerfile"
[env]
LOG = "${x}"
PORT = "8080"
[processes]
app = "node server.js"
worker = "node worker.js"
[http_service]
internal_port = 8080
processes = ["app"]
[[http_service.checks]]
path = "/up"
[deploy]
release_command = "npm run migrate"
[mounts]
source = "data"
"""
    assert draft(new, {"fly.toml": toml, "Dockerfile": NODE}) == (
        "app: shop-fly\n"
        f"{NOBODY}"
        "image: docker.io/your-name/shop-fly    # built from ./Dockerfile\n"
        "env:\n"
        '  LOG: "$${x}"\n'
        f"release: {{command: npm run migrate}}{RELEASE}"
        "targets:\n"
        "  k8s:\n"
        "    context: prod\n"
        "    workloads:\n"
        '      web: {command: node server.js, port: 8080, health: "/up"}\n'
        "      worker: {command: node worker.js}\n"
        f"{TODO}"
        "# TODO fly.toml: mounts\n"
        "# TODO fly.toml: secrets that fly keeps are not in the file: name them under secrets\n"
    )


def test_the_configuration_of_kamal(new: Shipit) -> None:
    kamal = """\
service: shop
image: acme/shop
servers:
  web: [192.0.2.1]
  job: {hosts: [192.0.2.1], cmd: bin/jobs}
proxy: {ssl: true, host: shop.example.com}
registry: {server: ghcr.io, username: me, password: [KAMAL_REGISTRY_PASSWORD]}
builder: {arch: amd64}
env:
  clear: {DB_HOST: db}
  secret: [RAILS_MASTER_KEY, A:B]
accessories: {db: {image: "mysql:8"}}
volumes: ["x:/y"]
"""
    rails = 'FROM ruby:3.4\nEXPOSE 80\nENTRYPOINT ["/rails/bin/docker-entrypoint"]\nCMD ["./bin/rails", "server"]\n'
    assert draft(new, {"config/deploy.yml": kamal, "Dockerfile": rails}) == (
        "app: shop\n"
        "image: ghcr.io/acme/shop    # built from ./Dockerfile\n"
        "env:\n"
        "  DB_HOST: db\n"
        f"{SECRETS}"
        "  RAILS_MASTER_KEY: {env: RAILS_MASTER_KEY}\n"
        "  A: {env: A}\n"
        "targets:\n"
        "  k8s:\n"
        "    context: prod\n"
        "    workloads:\n"
        '      web: {port: 80, health: "/up", host: shop.example.com}\n'
        "      job: {command: bin/jobs}\n"
        "  docker:\n"
        '    hosts: ["ssh://root@192.0.2.1"]\n'
        "    services:\n"
        '      web: {port: 80, health: "/up", host: shop.example.com}\n'
        "      job: {command: bin/jobs}\n"
        f"{TODO}"
        "# TODO config/deploy.yml: accessories are not deployed by shipit: db (mysql:8)\n"
        "# TODO config/deploy.yml: volumes\n"
        "# TODO config/deploy.yml: registry.password: shipit uses the login of docker login, or of shipit login\n"
        "# TODO config/deploy.yml: proxy.ssl: on Docker hosts the proxy gets certificates for host: by itself; on Kubernetes write tls:\n"
        "# TODO Dockerfile: has an ENTRYPOINT, which the command of job may replace: check the command\n"
    )


def test_process_names_that_kubernetes_does_not_take_are_changed(new: Shipit) -> None:
    text = draft(new, {"Procfile": "web: x\n3000: x\nA_b: x\na-b: y\n", "Dockerfile": NODE})
    names = ["web", "app-3000", "a-b", "a-b-2"]
    assert [line.split(":")[0].strip() for line in text.partition("workloads:\n")[2].splitlines()[:4]] == names


def test_skaffold_and_a_chart(new: Shipit) -> None:
    skaffold = """\
apiVersion: skaffold/v4beta6
kind: Config
build:
  artifacts:
  - {image: gcr.io/acme/front, context: front}
  - {image: gcr.io/acme/back, context: back, docker: {dockerfile: Dockerfile.x, target: t}}
  - {image: j, jib: {}}
manifests: {rawYaml: ["k8s/*.yaml"], helm: {releases: []}}
"""
    files = {
        "skaffold.yaml": skaffold,
        "front/Dockerfile": NODE,
        "back/Dockerfile.x": "FROM scratch AS t\n",
        "k8s/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        "charts/x/Chart.yaml": "name: x\n",
    }
    assert draft(new, files) == (
        "app: project\n"
        "images:\n"
        "  front: {repository: gcr.io/acme/front, build: {context: front}}\n"
        "  back: {repository: gcr.io/acme/back, build: {context: back, dockerfile: Dockerfile.x, stage: t}}\n"
        "targets:\n"
        "  k8s:\n"
        "    context: prod\n"
        "    manifests: [k8s/]    # their images are pinned to the pushed digests\n"
        f"{TODO}"
        "# TODO Kubernetes files: Helm chart charts/x: helm: PATH of a Kubernetes target renders and applies it\n"
        "# TODO skaffold.yaml: j is built by jib, not from a Dockerfile\n"
        "# TODO skaffold.yaml: manifests.helm: name it under helm:\n"
    )


def test_heroku_yml_with_images_and_arguments(new: Shipit) -> None:
    Path(new.env["KUBECONFIG"]).unlink()
    heroku = """\
setup:
  addons: [{plan: heroku-postgresql}]
  config: {BUCKET: x}
build:
  docker: {web: Dockerfile, worker: {dockerfile: worker/Dockerfile, target: w}}
  config: {V: 1.10}
release: {image: worker, command: [./migrate, ./seed]}
run:
  web: bundle exec puma
  worker: {command: [sidekiq], image: worker}
  clock: {command: [clock], image: web}
"""
    files = {"heroku.yml": heroku, "Dockerfile": NODE, "worker/Dockerfile": "FROM scratch AS w\n"}
    assert draft(new, files) == (
        "app: project\n"
        "images:\n"
        '  web: {build: {args: {V: "1.10"}}}\n'
        '  worker: {build: {context: worker, stage: w, args: {V: "1.10"}}}\n'
        "env:\n"
        "  BUCKET: x\n"
        f'release: {{image: worker, command: "./migrate && ./seed"}}{RELEASE}'
        "targets:\n"
        "  # TODO: the name of the Heroku app is a guess; name yours, or create it: heroku create NAME --stack container\n"
        "  heroku:\n"
        "    app: project\n"
        "    processes:\n"
        "      web: {image: web, command: bundle exec puma}\n"
        "      worker: {image: worker, command: sidekiq}\n"
        "      clock: {image: web, command: clock}\n"
        f"{TODO}"
        "# TODO heroku.yml: add-ons are created by the Heroku CLI: heroku addons:create heroku-postgresql\n"
    )


def test_app_json(new: Shipit) -> None:
    app = {
        "name": "shop",
        "env": {"A": "1", "B": {"value": "2"}, "C": {"required": False}, "D": {"description": "asked for"}},
        "formation": {"web": {"quantity": 2, "size": "Standard-1X"}},
        "addons": ["heroku-redis"],
        "scripts": {"postdeploy": "npm run seed"},
    }
    files = {"app.json": json.dumps(app), "Procfile": "web: node server.js\n", "Dockerfile": NODE}
    text = draft(new, files)
    assert '  A: "1"\n  B: "2"\n' in text and "  D: {env: D}\n" in text
    assert "      web: {command: node server.js, quantity: 2, size: Standard-1X}\n".lower() in text.lower()
    assert "# TODO app.json: optional variables: C\n" in text
    assert "# TODO app.json: scripts.postdeploy: npm run seed\n" in text
    assert "heroku addons:create heroku-redis" in text


def test_dockerfiles_in_folders(new: Shipit) -> None:
    files = {
        "backend/Dockerfile": NODE,
        "frontend/Dockerfile": "FROM nginx\nEXPOSE 80\n",
        "tests/Dockerfile": NODE,
        "docker/Dockerfile.jobs": "FROM scratch\n",
    }
    text = draft(new, files)
    assert "  backend: {repository: docker.io/your-name/project-backend, build: {context: backend}}\n" in text
    assert (
        "  jobs: {repository: docker.io/your-name/project-jobs, build: {dockerfile: docker/Dockerfile.jobs}}\n" in text
    )
    assert "      frontend: {image: frontend, port: 80}\n" in text
    assert "contexts that are a guess" in text and "tests/Dockerfile" not in text


@pytest.mark.parametrize(
    ("files", "image"),
    [
        (["Containerfile"], "build: {dockerfile: Containerfile}"),
        (["Dockerfile", "Dockerfile.test", "Dockerfile.bak", "Dockerfile-dev"], "docker.io/your-name/project "),
        (["Dockerfile", "Dockerfile.prod"], "build: {dockerfile: Dockerfile.prod}"),
        (["Dockerfile", "Containerfile"], "docker.io/your-name/project "),
        (["app.dockerfile"], "build: {dockerfile: app.dockerfile}"),
    ],
)
def test_one_of_several_dockerfiles_is_the_image(new: Shipit, files: list[str], image: str) -> None:
    text = draft(new, dict.fromkeys(files, NODE))
    line = next(line for line in text.splitlines() if line.startswith("image:"))
    assert image in line
    assert all(name in text for name in files if name != "Dockerfile" or "prod" in image)


def test_the_login_of_docker_hub_names_the_repository(new: Shipit) -> None:
    config = new.folder.parent / "docker"
    config.mkdir()
    auth = base64.b64encode(b"acmeship:password-4711").decode()
    (config / "config.json").write_text(json.dumps({"auths": {"https://index.docker.io/v1/": {"auth": auth}}}))
    new.env["DOCKER_CONFIG"] = str(config)
    text = draft(new, {"Dockerfile": NODE})
    assert "image: docker.io/acmeship/project    # built" in text and "guess" not in text and "4711" not in text


def test_the_image_of_a_manifest_names_the_repository(new: Shipit) -> None:
    deployment = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, image: "ghcr.io/acme/project:v3"}, {name: p, image: "redis:8"}]}}}
"""
    assert "image: ghcr.io/acme/project    # built" in draft(new, {"Dockerfile": NODE, "k8s/web.yaml": deployment})


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        ({"go.mod": "module shop\n\ngo 1.23.4\n"}, ["FROM golang:1.23-alpine AS build"]),
        ({"package.json": '{"engines": {"node": ">=20"}}', "yarn.lock": ""}, ["FROM node:22-alpine", "COPY package.json yarn.lock ./"]),
        ({"requirements.txt": "x\n", ".python-version": "3.13.1\n", "Procfile": "web: gunicorn app:app --bind 0.0.0.0:$PORT\n"},
         ["FROM python:3.13-slim", "CMD gunicorn app:app --bind 0.0.0.0:$PORT"]),
        ({"Gemfile": "ruby '3.3.0'\n", "Procfile": "web: bundle exec puma\nworker: bundle exec sidekiq\n"}, ["FROM ruby:3.3-slim", "CMD bundle exec puma"]),
    ],
)  # fmt: skip
def test_a_drafted_dockerfile_knows_versions_and_commands(new: Shipit, files: dict[str, str], lines: list[str]) -> None:
    text = draft(new, files)
    written = (new.folder / "Dockerfile").read_text().splitlines()
    assert all(line in written for line in lines), written
    assert ("worker: {command: bundle exec sidekiq}" in text) == ("worker" in files.get("Procfile", ""))


def test_a_stage_that_is_not_the_last_is_named(new: Shipit) -> None:
    compose = "services: {web: {build: {context: ., target: builder}}}\n"
    text = draft(
        new, {"compose.yaml": compose, "Dockerfile": "FROM scratch AS Builder\nEXPOSE 1\nFROM scratch\nEXPOSE 2\n"}
    )
    assert "# TODO Dockerfile: the image project is its stage builder, which is not the last;" in text
    assert "port: 1" in text


def test_a_file_for_a_registry_alone_has_no_variables_and_processes(new: Shipit) -> None:
    Path(new.env["KUBECONFIG"]).unlink()
    toml = '[env]\nRATE = "1"\nMAILER = "none"\n[processes]\napp = "node server.js"\nworker = "node worker.js"\n'
    text = draft(new, {"fly.toml": toml, "Dockerfile": NODE})
    assert "\nenv:" not in text and "targets:\n  hub:" in text
    with_target = "add with a target that runs the app, such as heroku, k8s, docker, compose or swarm"
    assert f"# TODO processes: web and worker: {with_target}\n" in text
    assert f"# TODO env: RATE and MAILER: {with_target}\n" in text


def test_a_compose_file_alone_is_a_target_that_takes_only_images_and_missing_variables_from_deploy_yml(
    new: Shipit,
) -> None:
    Path(new.env["KUBECONFIG"]).unlink()
    files = {
        "compose.yaml": COMPOSE,
        "docker/Dockerfile": NODE.replace("FROM node:22\n", "FROM node:22 AS prod\n"),
        ".env": "SECRET_A=1\n",
        "fly.toml": "[deploy]\nrelease_command = 'migrate'\n",
    }
    text = draft(new, files)
    image = "image: {repository: ghcr.io/acme/shop, build: {dockerfile: docker/Dockerfile, stage: prod"
    assert text.startswith(f"app: project\n{image}") and "release:" not in text
    assert "\nenv:" not in text and "dotenv:" not in text
    assert text[text.index("secrets:") :].split("\n\n")[0].splitlines()[1:] == [
        "  KEY: {env: KEY}",
        "targets:",
        "  compose:    # runs compose.yaml on the engine of the docker command; host: names another one",
    ]
    assert [line for line in text.splitlines() if line.startswith("# TODO compose.yaml")] == [
        "# TODO compose.yaml: debug runs only with the profile debug"
    ]
    assert "# TODO the release command is not run by Compose: make it a service of the file" in text


def test_a_compose_file_of_another_name_and_engine(new: Shipit) -> None:
    Path(new.env["KUBECONFIG"]).unlink()
    files = {"docker-compose.prod.yml": "services: {web: {build: ., environment: {A: , B: x}}}\n", "Dockerfile": NODE}
    text = draft(new, files)
    assert "secrets:" in text and "  A: {env: A}\n" in text and "  B:" not in text
    assert "  compose: {file: docker-compose.prod.yml}    # runs docker-compose.prod.yml" in text


def test_an_override_of_compose_that_is_not_read_is_not_deployed(new: Shipit) -> None:
    Path(new.env["KUBECONFIG"]).unlink()
    other = "services: {other: {image: redis}}\n"
    files = {"docker-compose.yml": FOREIGN, "docker-compose.yaml": other, "docker-compose.override.yml": other}
    text = draft(new, files)
    assert "  compose: {file: docker-compose.yml}    # runs docker-compose.yml" in text
    assert "docker-compose.override.yml and docker-compose.yaml: not read" in text


SWARM = """\
services:
  web:
    build: .
    image: ghcr.io/acme/shop
    ports: ["80:3000", "127.0.0.1:81:81", "53:53/udp", {target: 91, published: 90}]
    networks: [back]
    deploy:
      replicas: 3
      labels: [a=b]
      update_config: {parallelism: 2, delay: 10s, order: start-first, failure_action: explode, max_failure_ratio: "${R}"}
      placement: {constraints: ["node.role == worker", "?"], max_replicas_per_node: 2, preferences: [{spread: node.labels.zone}]}
      restart_policy: {condition: any, max_attempts: 3}
  agent: {build: ., command: agent, deploy: {mode: global, endpoint_mode: dnsrr}}
"""


def test_a_compose_file_with_keys_of_a_swarm_is_a_target_of_the_kind_swarm(new: Shipit) -> None:
    Path(new.env["KUBECONFIG"]).unlink()
    assert draft(new, {"compose.yaml": SWARM, "Dockerfile": NODE}) == (
        "app: project\n"
        "image: ghcr.io/acme/shop    # built from ./Dockerfile\n"
        "targets:\n"
        "  swarm:    # its manager is the engine of the docker command; host: names another one\n"
        "    services:\n"
        '      web: {port: 3000, replicas: 3, publish: ["80:3000", "53:53/udp"], update: {parallelism: 2, delay: 10s, order: start-first}, '
        'placement: {constraints: ["node.role == worker"], max_per_node: 2}}\n'
        "      agent: {command: [agent], mode: global, endpoint_mode: dnsrr}\n"
        f"{TODO}"
        "# TODO compose.yaml: services.web: networks\n"
        "# TODO compose.yaml: services.web: deploy.labels\n"
        "# TODO compose.yaml: services.web: deploy.update_config: failure_action explode and max_failure_ratio ${R}\n"
        "# TODO compose.yaml: services.web: deploy.placement: preferences\n"
        "# TODO compose.yaml: services.web: deploy.placement.constraints: ?\n"
        "# TODO compose.yaml: services.web: deploy.restart_policy: max_attempts\n"
        "# TODO compose.yaml: services.web: ports 127.0.0.1:81:81 and 90:91: write them as PUBLISHED:PORT under publish, which is on every address of a node\n"
    )


def test_a_dockerfile_beside_one_that_another_file_names_is_only_mentioned(new: Shipit) -> None:
    kamal = "service: shop\nimage: acme/shop\nservers: [192.0.2.1]\nssh: {port: 2222}\nbuilder: {arch: arm64, dockerfile: docker/Dockerfile.prod}\n"
    text = draft(new, {"config/deploy.yml": kamal, "Dockerfile": NODE, "docker/Dockerfile.prod": NODE})
    build = "build: {dockerfile: docker/Dockerfile.prod, platforms: [linux/arm64]}"
    assert f"image: {{repository: docker.io/acme/shop, {build}}}\n" in text
    assert 'hosts: ["ssh://root@192.0.2.1:2222"]' in text
    assert "web-2" not in text and "images:" not in text
    assert "# TODO Dockerfiles: Dockerfile: not taken, since no other file names it\n" in text


def test_a_dockerignore_is_written_for_each_context_without_one(new: Shipit) -> None:
    put(new, {"compose.yaml": "services: {a: {build: ./a}, b: {build: ./b}, c: {build: .}}\n", "a/Dockerfile": NODE})
    put(
        new, {"b/Dockerfile": NODE, "b/.dockerignore": "mine\n", "Dockerfile": "FROM scratch\nCOPY --chown=1 .env /x\n"}
    )
    done = new.run("init", "--yes")
    assert done.stdout.splitlines()[:3] == ["wrote a/.dockerignore", "wrote .dockerignore", "wrote deploy.yml"]
    assert (new.folder / "a/.dockerignore").read_text() == ".git\n.env\n.env.*\ndeploy.yml\n"
    assert (new.folder / ".dockerignore").read_text() == ".git\n.env.*\ndeploy.yml\n"
    assert (new.folder / "b/.dockerignore").read_text() == "mine\n"


BASES = """\
services:
  app:
    build: {context: ., dockerfile: ../docker/Dockerfile, args: {A: one}}
    env_file: app.env
    environment: [MODE=base, LOG=info]
    ports: ["3000"]
"""


def test_services_that_are_included_or_extended_are_those_of_the_project(new: Shipit) -> None:
    compose = """\
include: [other/compose.yaml, {path: [none.yaml]}, ../outside.yaml]
services:
  web: {extends: {file: infra/common.yml, service: app}, environment: {MODE: web}}
  worker: {extends: {file: infra/common.yml, service: app}, command: node worker.js, ports: ["9000"]}
"""
    text = draft(
        new,
        {
            "compose.yaml": compose,
            "infra/common.yml": BASES,
            "infra/app.env": "KEY_OF_FILE=1\n",
            "docker/Dockerfile": NODE,
            "other/compose.yaml": "services: {api: {build: ., ports: ['4000']}}\n",
            "other/Dockerfile": NODE,
        },
    )
    assert "  web: {repository: docker.io/your-name/project-web, build: {context: infra, dockerfile: " in text, text
    assert (
        "args: {A: one}}}" in text
        and "  api: {repository: docker.io/your-name/project-api, build: {context: other}}" in text
    )
    assert "      web: {image: web, port: 3000, env: {MODE: web}}\n" in text, text
    assert "      worker: {image: web, command: [node, worker.js], port: 3000, env: {MODE: base}}\n" in text, text
    assert "dotenv: [{path: infra/app.env, required: false}]" in text and "  LOG: info\n" in text
    assert text.endswith(
        f"{TODO}"
        "# TODO compose.yaml: it includes none.yaml, which is not in this folder\n"
        "# TODO compose.yaml: it includes ../outside.yaml, which is not in this folder\n"
        "# TODO compose.yaml: services.worker: only port 3000 is taken, not 9000\n"
    ), text


def test_a_compose_file_that_extends_one_of_another_folder_is_run_as_it_is(new: Shipit) -> None:
    new.env["KUBECONFIG"] = str(new.folder / "none")
    text = draft(new, {"compose.yaml": "services: {web: {extends: {file: ../common.yml, service: app}}}\n"})
    assert "  compose:    # runs compose.yaml" in text and "image:" not in text, text
    assert text.endswith("# TODO compose.yaml: web extends app of ../common.yml, which is not in this folder\n")


def test_variables_that_differ_between_processes_are_told_where_all_processes_have_the_same_ones(new: Shipit) -> None:
    compose = (
        "services:\n  web: {build: ., environment: {M: '1'}}\n  job: {build: ., command: j, environment: {M: '2'}}\n"
    )
    told = "# TODO heroku: M differ between its processes, and env is the same for all of them there\n"
    text = draft(new, {"compose.yaml": compose, "Dockerfile": NODE, "Procfile": "web: node server.js\n"})
    assert "  heroku:" in text and told in text, text


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        ({"config/deploy.yml": "<% require 'dotenv' %>\nservice: shop\nimage: acme/shop\nservers: [10.0.0.1]\nenv:\n  HOST: <%= ENV['H'] %>\n  A: b\n"},
         ['  docker: {hosts: ["ssh://root@10.0.0.1"]', "  HOST: {env: HOST}", "  A: b"]),
        ({"config/deploy.yml": "service: shop\nimage: acme/shop\nservers: [10.0.0.1]\nbuilder: {arch: [amd64, arm64]}\n"},
         ["image: docker.io/acme/shop ", "# TODO config/deploy.yml: builder.arch: amd64 and arm64: the image is built for linux/amd64 only"]),
        ({"heroku.yml": "build: {docker: [\n"}, ["# TODO heroku.yml: not read: it is not valid, or not what its tool expects"]),
        ({"docker-compose.yml": "web: {build: .}\n"}, ["# TODO docker-compose.yml: not read: it is not valid"]),
        ({"render.yaml": "{}", ".do/app.yaml": "{}"}, ["# TODO render.yaml: not read: it is for Render", "# TODO .do/app.yaml: not read"]),
        ({"skaffold.yaml": "build: {artifacts: [{image: a/web, requires: []}], platforms: [linux/arm64], cluster: {}, x: 1}\n---\ndeploy: {kubeContext: c, docker: {}}\n"},
         ["# TODO skaffold.yaml: artifact a/web: requires", "build.platforms: linux/arm64: name one", "TODO skaffold.yaml: build.x\n",
          "deploy.kubeContext: name it under context:", "deploy.docker: render it into a folder"]),
        ({"deployments/prod/a.yaml": "kind: Deployment\napiVersion: apps/v1\n"}, ["# TODO Kubernetes files: manifests in deployments/prod: manifests: PATH"]),
        ({"Dockerfile.alpine": NODE, "Dockerfile.arm64": NODE, "Dockerfile.jobs": NODE},
         ["Dockerfile.alpine and Dockerfile.arm64: not taken", "TODO Dockerfiles: Dockerfile.jobs: taken for an image of the app, which is a guess", "jobs: {repository"]),
    ],
    ids=["Ruby", "two architectures", "no YAML", "Compose of 2014", "other tools", "skaffold", "manifests elsewhere", "variants"],
)  # fmt: skip
def test_nothing_is_dropped_in_silence(new: Shipit, files: dict[str, str], lines: list[str]) -> None:
    new.env["KUBECONFIG"] = str(new.folder / "none")
    text = draft(new, {"Dockerfile": NODE, **files})
    assert all(line in text for line in lines), text


@pytest.mark.parametrize(
    ("files", "build"),
    [
        ({"build/package/Dockerfile": "FROM scratch\nCOPY main.go /\n", "main.go": ""}, "{dockerfile: build/package/Dockerfile}"),
        ({"docker/nginx/Dockerfile": "FROM scratch\nCOPY --chown=1 a.conf \\\n  /\n", "docker/nginx/a.conf": ""}, "{context: docker/nginx}"),
        ({"services/api/Dockerfile": 'FROM scratch\nCOPY ["./package.json", "services/api/src", "/"]\n', "package.json": "{}", "services/api/src/a": ""},
         "{dockerfile: services/api/Dockerfile}"),
        ({"services/api/Dockerfile": "FROM scratch\nCOPY . .\nCOPY --from=b package.json /\n", "package.json": "{}"}, "{context: services/api}"),
    ],
    ids=["a Go layout", "beside it", "a monorepo", "everything"],
)  # fmt: skip
def test_the_context_of_a_dockerfile_in_a_folder_has_the_files_that_it_copies(
    new: Shipit, files: dict[str, str], build: str
) -> None:
    assert f"build: {build}}}\n" in draft(new, files)


@pytest.mark.parametrize(
    ("files", "language"),
    [
        ({"package.json": '{"scripts": {"build": "vite build"}}', "composer.json": "{}"}, ""),
        ({"package.json": '{"scripts": {"build": "b"}}', "Gemfile": ""}, "ruby"),
        ({"package.json": '{"scripts": {"start": "node ."}}', "requirements.txt": ""}, "node"),
        ({"package.json": "{}", "index.html": ""}, "node"),
        ({"pom.xml": "", "index.html": ""}, ""),
    ],
)
def test_a_dockerfile_is_drafted_for_the_language_of_the_app(new: Shipit, files: dict[str, str], language: str) -> None:
    put(new, files)
    new.run("init", "--yes")
    drafted = new.folder / "Dockerfile"
    assert (drafted.read_text().partition("FROM ")[2].partition(":")[0] if drafted.exists() else "") == language


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "compose.yaml",
            "services: {web: {build: {context: ., args: {NPM_TOKEN: canary-1, U: 'https://u:canary-2@x'}}, ports: ['80'], "
            "command: x --password canary-3, environment: {APP_KEY: canary-4, D: '${DB_PASSWORD:-canary-5}'}}}",
        ),
        (
            "heroku.yml",
            "build: {docker: {web: Dockerfile}, config: {NPM_TOKEN: canary-1}}\nrun: {web: x --token=canary-2}\n"
            "release: {command: [x --pass=canary-3]}\nsetup: {config: {JWT: canary-4}}",
        ),
        ("fly.toml", 'app = "x"\n[build.args]\nNPM_TOKEN = "canary-1"\n[processes]\nweb = "TOKEN=canary-2 x"\n[env]\nAUTH = "canary-3"'),
        (
            "config/deploy.yml",
            "service: x\nservers: {web: {hosts: [1.2.3.4], cmd: x --pw canary-1}}\nbuilder: {args: {KEY: canary-2}}\n"
            "env: {clear: {PIN: canary-3}}\nproxy: {healthcheck: {path: '/up?key=canary-4'}}",
        ),
        ("skaffold.yaml", "build: {artifacts: [{image: me/x, docker: {buildArgs: {NPM_TOKEN: canary-1}}}]}"),
        ("app.json", '{"scripts": {"postdeploy": "x --pass=canary-1"}, "env": {"OPENAI_KEY": "canary-2"}}'),
    ],
)  # fmt: skip
def test_no_file_of_another_tool_brings_a_value_of_a_secret(new: Shipit, file: str, text: str) -> None:
    drafted = draft(new, {file: text, "Dockerfile": NODE})
    assert "canary" in text and "canary" not in drafted
    assert "TODO" in drafted
    assert ("use build.secrets: " in drafted) == (file != "app.json")


def test_a_build_argument_from_a_variable_is_no_secret(new: Shipit) -> None:
    """The engine of a Compose file builds nothing: shipit does, with the arguments of deploy.yml."""
    Path(new.env["KUBECONFIG"]).unlink()
    service = (
        "{build: {context: ., args: {VERSION: '${VERSION}', R: '${R-1}'}}, environment: {A: '${B}', D: '', NUL: }}"
    )
    drafted = draft(new, {"compose.yaml": f"services: {{web: {service}}}", "Dockerfile": NODE, ".env": "VERSION=1\n"})
    assert 'image: {build: {args: {VERSION: "${VERSION}", R: "${R-1}"}}}\n' in drafted
    assert 'dotenv: [{path: ".env", required: false}]\n' in drafted
    assert f"{SECRETS}  B: {{env: B}}\n  NUL: {{env: NUL}}\ntargets:\n" in drafted


def test_an_empty_text_of_a_compose_file_is_a_variable(new: Shipit) -> None:
    service = "{build: {context: ., args: {X: '', Y: }}, environment: {DEBUG: '', TZ: '', FROM_OUTSIDE: , TOO: ~}}"
    drafted = draft(new, {"compose.yaml": f"services: {{web: {service}}}", "Dockerfile": NODE})
    assert 'args: {X: ""}' in drafted
    assert 'env:\n  DEBUG: ""\n  TZ: ""\n' in drafted
    assert f"{SECRETS}  FROM_OUTSIDE: {{env: FROM_OUTSIDE}}\n  TOO: {{env: TOO}}\ntargets:\n" in drafted


def test_a_swarm_takes_the_health_check_of_the_file(new: Shipit) -> None:
    Path(new.env["KUBECONFIG"]).unlink()
    check = "{test: [CMD, curl, 'http://localhost:3000/health'], interval: 5s, start_interval: 1s}"
    service = f"{{build: ., ports: ['80:3000', '99999:1'], healthcheck: {check}, deploy: {{update_config: {{order: start-first, delay: 500ms}}}}}}"
    drafted = draft(new, {"compose.yaml": f"services: {{web: {service}}}", "Dockerfile": NODE})
    assert (
        '      web: {port: 3000, publish: ["80:3000"], healthcheck: {test: [curl, "http://localhost:3000/health"], interval: 5s}, '
        "update: {order: start-first}}\n" in drafted
    )
    todo = [line for line in drafted.splitlines() if line.startswith("# TODO compose.yaml: services.web: ")]
    assert todo == [
        "# TODO compose.yaml: services.web: deploy.update_config: delay 500ms",
        "# TODO compose.yaml: services.web: healthcheck.start_interval 1s",
        "# TODO compose.yaml: services.web: ports 99999:1: write them as PUBLISHED:PORT under publish, which is on every address of a node",
    ]


KAMAL_WITH = "service: x\nservers: [1.2.3.4]\n"


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"compose.yaml": "services: {web: {build: ., deploy: {mode: replicated, replicas: 500}}}"}, ["targets.swarm.services.web.replicas"]),
        ({"compose.yaml": "services: {a: {build: ., ports: ['80:1'], deploy: {mode: global}}, b: {build: ., ports: ['80:1']}}"},
         ["targets.swarm.services.b.publish[0]"]),
        ({"compose.yaml": "services: {a: {build: ., deploy: {mode: global, placement: {constraints: [a==b], max_replicas_per_node: 2}}}}"}, []),
        ({"config/deploy.yml": f"{KAMAL_WITH}proxy: {{healthcheck: {{path: /up now}}}}"}, ["targets.docker.health"]),
        ({"config/deploy.yml": f"{KAMAL_WITH}proxy: {{host: a..b}}"}, ["targets.docker.host"]),
        ({"config/deploy.yml": f"{KAMAL_WITH}env: {{secret: [X-Y, OK]}}"}, ["secrets.X-Y"]),
        ({"config/deploy.yml": f"{KAMAL_WITH}builder: {{args: {{A-B: c, OK: d}}}}"}, ["image.build.args.A-B"]),
        ({"config/deploy.yml": f"{KAMAL_WITH}env: {{secret: [X-Y]}}\nproxy: {{host: a..b, healthcheck: {{path: /ü}}}}"},
         ["secrets.X-Y", "targets.docker.health", "targets.docker.host"]),
    ],
    ids=["too many replicas", "a port twice", "a global service", "a space", "a host", "a secret", "an argument", "several"],
)  # fmt: skip
def test_what_deploy_yml_does_not_take_is_a_todo(new: Shipit, files: dict[str, str], left: list[str]) -> None:
    Path(new.env["KUBECONFIG"]).unlink()
    drafted = draft(new, {**files, "Dockerfile": NODE})
    found = [
        line.split()[2] for line in drafted.splitlines() if "is left out, since deploy.yml does not take it: " in line
    ]
    assert sorted(found) == left
    assert ('placement: {constraints: ["a==b"]}' in drafted) == ("placement" in str(files))
