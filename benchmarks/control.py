"""The bare program to compare with: a typer command that builds one pydantic model from yaml.load."""

from pathlib import Path
from typing import Any

import typer
import yaml
from pydantic import BaseModel


class File(BaseModel):
    """The top level of deploy.yml, its parts unchecked."""

    app: str
    images: dict[str, Any]
    env: dict[str, Any]
    secrets: dict[str, Any]
    targets: dict[str, Any]
    environments: dict[str, Any]


def main(file: Path) -> None:
    """Read one file and say how many targets it has."""
    found = File(
        **{k: v for k, v in yaml.load(file.read_text(), Loader=yaml.CSafeLoader).items() if k in File.model_fields}
    )
    typer.echo(f"{file.name} has {len(found.targets)} targets")


if __name__ == "__main__":
    typer.run(main)
