"""The stages that deploy.yml names and a Dockerfile does not have."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.config.build_files import build_files
from shipit.config.project import Project
from shipit.errors import BuildError, ConfigError
from shipit.files import Unreadable, read_file
from shipit.image.dockerfile.parse import parse_dockerfile
from shipit.image.dockerfile.shell_lex import Lexer
from shipit.image.dockerfile.split_stages import split_stages
from shipit.image.options import BuildOptions


def missing_stages(project: Project) -> Iterator[ConfigError]:
    """A mistake at each `stage:` whose Dockerfile can be read and has no such stage."""
    for name, image in project.images.items():
        if image.use or image.build is None or image.build.stage is None:
            continue
        files = build_files(project, name)
        try:
            dockerfile = parse_dockerfile(read_file(files.dockerfile), image.build.dockerfile)
            if dockerfile.refusal is not None:
                continue
            stages = split_stages(dockerfile, BuildOptions(*files), Lexer(dockerfile.escape))
        except (Unreadable, BuildError):
            # An engine may know what this parser does not.
            continue
        try:
            stages.target_number(image.build.stage)
        except BuildError as error:
            what = f"{error.what} in {image.build.dockerfile}"
            yield project.problem(("images", name, "build", "stage"), what, error.hint)
