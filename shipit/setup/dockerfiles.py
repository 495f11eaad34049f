"""Dockerfiles for apps that have none, and what to leave out of their contexts. Pure."""

from __future__ import annotations

from shipit.setup.found import Found

IGNORE = """\
.git
.env
.env.*
deploy.yml
node_modules
__pycache__
*.pyc
.venv
tmp
log
"""

_NODE = """\
FROM node:22-alpine
ENV NODE_ENV=production
WORKDIR /app
COPY package*.json ./
RUN {install}
COPY . .
USER node
EXPOSE 3000
CMD ["npm", "start"]
"""

_PYTHON = """\
FROM python:3.12-slim
ENV PYTHONUNBUFFERED=1
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir {what}
EXPOSE 8000
# What starts the app; it should listen on the port in $PORT.
CMD ["python", "-m", "{module}"]
"""

_GO = """\
FROM golang:1.24-alpine AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 go build -o /app .

FROM gcr.io/distroless/static-debian12
COPY --from=build /app /app
EXPOSE 8080
CMD ["/app"]
"""

_RUBY = """\
FROM ruby:3.4-slim
WORKDIR /app
RUN apt-get update && apt-get install -y --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*
COPY Gemfile* ./
RUN bundle install
COPY . .
EXPOSE 3000
# What starts the app; it should listen on the port in $PORT.
CMD ["bundle", "exec", "ruby", "app.rb"]
"""

_STATIC = """\
FROM nginx:alpine
COPY {folder} /usr/share/nginx/html
EXPOSE 80
"""

PORTS = {"node": 3000, "python": 8000, "go": 8080, "ruby": 3000, "static": 80}


def dockerfile_for(found: Found, *, has_requirements: bool, static_folder: str) -> str:
    """A Dockerfile for the language found; empty where it is not known."""
    if found.language == "node":
        return _NODE.format(install="npm ci --omit=dev" if found.has_lock else "npm install --omit=dev")
    if found.language == "python":
        module = found.app.replace("-", "_")
        return _PYTHON.format(what="-r requirements.txt" if has_requirements else ".", module=module)
    templates = {"go": _GO, "ruby": _RUBY, "static": _STATIC.format(folder=static_folder)}
    return templates.get(found.language, "")
