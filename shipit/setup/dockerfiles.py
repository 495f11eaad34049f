"""Drafts of a Dockerfile and of a .dockerignore. Pure."""

from __future__ import annotations

import json
import re

from shipit.drafts.files import Runtime

# Files that no image should contain.
SECRET_FILES = (".git", ".env", ".env.*", "deploy.yml")
_LEFT_OUT = ("node_modules", "__pycache__", "*.pyc", ".venv", "tmp", "log")

_NODE = """\
FROM node:{version}-alpine
ENV NODE_ENV=production
WORKDIR /app
COPY {files} ./
RUN {install}
COPY . .
USER node
EXPOSE 3000
CMD {command}
"""

_PYTHON = """\
FROM python:{version}-slim
ENV PYTHONUNBUFFERED=1
WORKDIR /app
COPY . .
RUN {install}
EXPOSE 8000
# What starts the app; it should listen on the port in $PORT.
CMD {command}
"""

_GO = """\
FROM golang:{version}-alpine AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 go build -o /app .

FROM gcr.io/distroless/static-debian12
COPY --from=build /app /app
EXPOSE 8080
CMD ["/app"]
"""

_RUBY = """\
FROM ruby:{version}-slim
WORKDIR /app
RUN apt-get update && apt-get install -y --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*
COPY Gemfile* ./
RUN bundle install
COPY . .
EXPOSE 3000
# What starts the app; it should listen on the port in $PORT.
CMD {command}
"""

_STATIC = """\
FROM nginx:alpine
COPY {folder} /usr/share/nginx/html
EXPOSE 80
"""

PORTS = {"node": 3000, "python": 8000, "go": 8080, "ruby": 3000, "static": 80}
VERSIONS = {"node": "22", "python": "3.12", "go": "1.24", "ruby": "3.4"}
# Lock file -> the files to copy first, and what installs from them.
_NODE_INSTALLS = {
    "package-lock.json": ("package*.json", "npm ci --omit=dev"),
    "npm-shrinkwrap.json": ("package*.json npm-shrinkwrap.json", "npm ci --omit=dev"),
    "yarn.lock": ("package.json yarn.lock", "corepack enable && yarn install --frozen-lockfile --production"),
    "pnpm-lock.yaml": ("package.json pnpm-lock.yaml", "corepack enable && pnpm install --frozen-lockfile --prod"),
}
_PYTHON_INSTALLS = {
    "requirements.txt": "pip install --no-cache-dir -r requirements.txt",
    "uv.lock": "pip install --no-cache-dir uv && uv sync --frozen --no-dev",
    "poetry.lock": "pip install --no-cache-dir poetry && poetry install --only main --no-interaction",
}


def dockerfile_for(runtime: Runtime, *, app: str, web: str, static_folder: str) -> str:
    """A Dockerfile for a language; empty when the language is unknown. `web` is the command of the Procfile, if any."""
    version = runtime.version or VERSIONS.get(runtime.language, "")
    command = _instruction_text(web)
    if runtime.language == "node":
        files, install = _NODE_INSTALLS.get(runtime.lock, ("package*.json", "npm install --omit=dev"))
        text = _NODE.format(version=version, files=files, install=install, command=command or '["npm", "start"]')
    elif runtime.language == "python":
        install = _PYTHON_INSTALLS.get(runtime.lock, "pip install --no-cache-dir .")
        text = _PYTHON.format(
            version=version, install=install, command=command or json.dumps(["python", "-m", app.replace("-", "_")])
        )
    elif runtime.language == "go":
        text = _GO.format(version=version)
    elif runtime.language == "ruby":
        text = _RUBY.format(version=version, command=command or '["bundle", "exec", "ruby", "app.rb"]')
    else:
        text = _STATIC.format(folder=static_folder) if runtime.language == "static" else ""
    return _guess(runtime.unclear) + text


def _instruction_text(command: str) -> str:
    """A command as the rest of a line: a list where a builder would take the text for more lines, or for a list.

    Source: Dockerfile reference, shell and exec form; escape.
    """
    is_one_line = command.isprintable() and not command.endswith("\\") and not command.startswith("[")
    return command if is_one_line else json.dumps(["/bin/sh", "-c", command])


def _guess(file: str) -> str:
    """A line about the version below; empty where no file asks for an unclear one."""
    return (
        f"# TODO: the version below is a guess ({file} is not clear); name the one that the app needs.\n"
        if file
        else ""
    )


def ignore_file(*, dockerfile: str, is_new: bool) -> str:
    """A .dockerignore. For an existing Dockerfile it lists secrets only, and nothing that the Dockerfile copies.

    A name that the Dockerfile mentions stays in the context.
    """
    names = SECRET_FILES + (_LEFT_OUT if is_new else ())
    copied = re.findall(r"(?im)^\s*(?:COPY|ADD)\s+(.*)$", dockerfile)
    mentioned = {word.strip('[]",').removeprefix("./") for line in copied for word in line.split()}
    kept = [name for name in names if not any(word == name or word.startswith(f"{name}/") for word in mentioned)]
    return "".join(f"{name}\n" for name in kept)
