"""Files of deployment tools that `shipit init` does not read: each becomes a TODO."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from shipit.drafts.reading import is_there

# File -> the tool that reads it.
_TOOLS = {
    ".do/app.yaml": "DigitalOcean App Platform",
    ".ebextensions": "Elastic Beanstalk",
    "Dockerrun.aws.json": "Elastic Beanstalk",
    "Tiltfile": "Tilt",
    "apprunner.yaml": "AWS App Runner",
    "azure.yaml": "the Azure Developer CLI",
    "captain-definition": "CapRover",
    "cloudbuild.yaml": "Google Cloud Build",
    "copilot": "AWS Copilot",
    "devspace.yaml": "DevSpace",
    "docker-bake.hcl": "docker buildx bake",
    "docker-bake.json": "docker buildx bake",
    "garden.yml": "Garden",
    "netlify.toml": "Netlify",
    "nixpacks.toml": "Nixpacks",
    "okteto.yml": "Okteto",
    "project.toml": "buildpacks",
    "railway.json": "Railway",
    "railway.toml": "Railway",
    "render.yaml": "Render",
    "serverless.yml": "the Serverless Framework",
    "vercel.json": "Vercel",
    "werf.yaml": "werf",
}


def other_files(root: Path) -> Iterator[str]:
    """A TODO for each file of another tool that is there."""
    for name, tool in _TOOLS.items():
        if is_there(root / name):
            yield f"{name}: not read: it is for {tool}"
