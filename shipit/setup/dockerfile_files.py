"""The Dockerfiles of a project that build images of the app. Reads only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from shipit.drafts.files import Build, FileFacts
from shipit.drafts.reading import is_there, read_text
from shipit.drafts.values import listed, slug

_NAME = re.compile(
    r"(?:Dockerfile|Containerfile)(?:[.-](?P<suffix>.+))?|(?P<prefix>.+)\.(?:[Dd]ockerfile|[Cc]ontainerfile)"
)
# Suffixes of Dockerfiles that are not for production.
_NOT_PRODUCTION = frozenset(
    [
        "bak",
        "backup",
        "ci",
        "debug",
        "dev",
        "devcontainer",
        "develop",
        "development",
        "doc",
        "docs",
        "e2e",
        "example",
        "j2",
        "lint",
        "local",
        "old",
        "orig",
        "sample",
        "save",
        "swp",
        "template",
        "test",
        "testing",
        "tests",
        "tmp",
        "tmpl",
    ]
)
# Variants of an image for other platforms and bases, and the bases of other Dockerfiles.
_VARIANTS = frozenset(
    ["386", "alpine", "amd64", "arm", "arm64", "armhf", "armv7", "base", "build", "builder", "cuda", "debian"]
    + [
        "distroless",
        "gpu",
        "i386",
        "nightly",
        "ppc64le",
        "riscv64",
        "rootless",
        "s390x",
        "slim",
        "ubi",
        "ubuntu",
        "windows",
    ]
)
_PRODUCTION = frozenset({"prod", "production", "release", "deploy"})
# A Dockerfile in one of these is built from the project's root.
_OF_THE_ROOT = frozenset(
    [
        "build",
        "ci",
        "container",
        "containers",
        "deploy",
        "deployment",
        "deployments",
        "docker",
        "dockerfiles",
        "etc",
        "infra",
        "ops",
        "package",
        "packaging",
        "scripts",
    ]
)
_SKIPPED = frozenset(
    [
        "dist",
        "docs",
        "examples",
        "example",
        "fixtures",
        "node_modules",
        "site-packages",
        "test",
        "testdata",
        "tests",
        "third_party",
        "vendor",
    ]
)
_MOST_NAMED = 10


def read_dockerfiles(root: Path, known: frozenset[str]) -> FileFacts:
    """Images of the Dockerfiles that no other file names. `known`: those that are named, relative to `root`.

    Folders are looked into two deep. Where other files name images, further Dockerfiles are only mentioned.
    """
    at_root = [path.name for path in sorted(root.iterdir()) if _is_dockerfile(path) and path.name not in known]
    kept, left = _chosen(at_root, has_others=bool(known))
    todo = [f"{listed(left)}: not taken for {'an image' if len(left) == 1 else 'images'} of the app"] if left else []
    below = [path for path in _in_folders(root) if path not in known]
    if known:
        kept, below = {}, [*kept, *below]
    images = [(slug(name) if name else "web", Build(".", file)) for file, name in kept.items()]
    if named := [file for file, name in kept.items() if name]:
        todo.append(
            f"{listed(named)}: taken for {'an image' if len(named) == 1 else 'images'} of the app, which is a guess"
        )
    if images or known:
        if below:
            more = [f"{len(below) - _MOST_NAMED} more"] if len(below) > _MOST_NAMED else []
            todo.append(f"{listed([*below[:_MOST_NAMED], *more])}: not taken, since no other file names it")
        return FileFacts("Dockerfiles", images=tuple(images), todo=tuple(todo))
    guesses = {_of_folder(root, path): None for path in below}
    if guesses:
        todo.append(f"{listed(below[:_MOST_NAMED])}: taken for images of the app, with contexts that are a guess")
    return FileFacts("Dockerfiles", images=tuple(guesses), todo=tuple(todo))


def _is_dockerfile(path: Path) -> bool:
    return bool(_NAME.fullmatch(path.name)) and not path.name.endswith(".dockerignore") and path.is_file()


def _chosen(files: list[str], *, has_others: bool) -> tuple[dict[str, str], list[str]]:
    """File -> name of its image, empty for the main one; and the files that are not used."""
    names = {file: _name_in(file) for file in files}
    left = [file for file, name in names.items() if _parts(name) & _NOT_PRODUCTION]
    kept = {file: name for file, name in names.items() if file not in left}
    production = next((file for file, name in kept.items() if name.lower() in _PRODUCTION), "")
    if production:
        replaced = [file for file, name in kept.items() if not name]
        kept = {production: "", **{file: name for file, name in kept.items() if name and file != production}}
        left += replaced
    elif "Dockerfile" in kept and "Containerfile" in kept:
        left.append("Containerfile")
        del kept["Containerfile"]
    if any(not name for name in kept.values()):
        variants = [file for file, name in kept.items() if _parts(name) & _VARIANTS]
        left += variants
        kept = {file: name for file, name in kept.items() if file not in variants}
    if not kept and left and not has_others and len(left) == 1:
        return {left[0]: ""}, []
    return kept, left


def _name_in(file: str) -> str:
    match = _NAME.fullmatch(file)
    return ((match["suffix"] or match["prefix"]) or "") if match else ""


def _parts(name: str) -> frozenset[str]:
    return frozenset(re.split(r"[^a-z0-9]+", name.lower()))


def _in_folders(root: Path) -> list[str]:
    return sorted(
        path.relative_to(root).as_posix()
        for path in _walk(root, 2)
        if not _parts(_name_in(path.name)) & _NOT_PRODUCTION
    )


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        try:
            if path.is_symlink() or not path.is_dir() or path.name.startswith(".") or path.name in _SKIPPED:
                continue
            yield from (file for file in sorted(path.iterdir()) if _is_dockerfile(file))
            if depth > 1:
                yield from _walk(path, depth - 1)
        except OSError:
            continue


def _of_folder(root: Path, file: str) -> tuple[str, Build]:
    """The image of a Dockerfile in a folder. Its context is where the files are that it copies."""
    folder, _, name = file.rpartition("/")
    own = folder.rpartition("/")[2]
    suffix = _name_in(name)
    context = _context(root, folder, read_text(root / file))
    build = Build(folder, name) if context == folder else Build(".", file)
    if own.lower() in _OF_THE_ROOT | _PRODUCTION:
        return slug(suffix) if suffix else "web", build
    return slug(f"{own}-{suffix}" if suffix else own), build


def _context(root: Path, folder: str, text: str) -> str:
    """The folder of a Dockerfile, or the project's root: the one that has more of the files that it copies."""
    copied = re.findall(r"(?im)^[ \t]*(?:COPY|ADD)[ \t]+((?!.*--from=).*)$", text.replace("\\\n", " "))
    sources = [word.strip('[]",').removeprefix("./") for line in copied for word in line.split()[:-1]]
    named = [word for word in sources if re.match(r"[A-Za-z0-9_]", word) and "*" not in word and ":" not in word]
    in_folder, in_root = (sum(is_there(place / word) for word in named) for place in (root / folder, root))
    if in_folder != in_root:
        return folder if in_folder > in_root else "."
    return "." if any(part.lower() in _OF_THE_ROOT for part in folder.split("/")) else folder
