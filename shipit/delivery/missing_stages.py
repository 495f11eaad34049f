"""The stages that deploy.yml names and a Dockerfile does not have."""

from __future__ import annotations

from collections.abc import Iterator

from shipit.config.build_files import build_files
from shipit.config.image import BuildConfig
from shipit.config.project import Project
from shipit.errors import BuildError, ConfigError
from shipit.files import Unreadable, read_file
from shipit.image.dockerfile.parse import parse_dockerfile
from shipit.image.dockerfile.shell_lex import Lexer
from shipit.image.dockerfile.split_stages import split_stages
from shipit.image.dockerfile.stages import STAGE_NUMBER
from shipit.image.options import BuildOptions
from shipit.image.unsupported import OWN_SYNTAX


def missing_stages(project: Project) -> Iterator[ConfigError]:
    """A mistake at each `stage:` whose Dockerfile can be read and has no such stage."""
    for name, image in project.images.items():
        if image.use or image.build is None or image.build.stage is None:
            continue
        files = build_files(project, name)
        try:
            dockerfile = parse_dockerfile(read_file(files.dockerfile), image.build.dockerfile)
            if dockerfile.refusal is not None or not _is_known(dockerfile.syntax, image.build):
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


def _is_known(syntax: str, build: BuildConfig) -> bool:
    """False where another frontend may take stages from other files, or podman may take a number.

    Source: Dockerfile reference, "syntax"; the build argument BUILDKIT_SYNTAX stands for the directive.
    """
    frontend = build.args.get("BUILDKIT_SYNTAX") or syntax
    return not (frontend and not OWN_SYNTAX.fullmatch(frontend)) and not STAGE_NUMBER.fullmatch(build.stage or "")
