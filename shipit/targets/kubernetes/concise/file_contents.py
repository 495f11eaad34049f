"""The content of the files of a workload."""

from collections.abc import Iterator, Mapping

from shipit.config.folder import ProjectFolder
from shipit.files import MIB, Unreadable
from shipit.targets.kubernetes.concise.volumes import FileConfig

# Source: Kubernetes documentation, "ConfigMaps": the data can't exceed 1 MiB.
_MOST_BYTES = MIB


def read_files(folder: ProjectFolder, files: Mapping[str, FileConfig]) -> dict[str, bytes]:
    """Path in the container -> content. Raises: Unreadable."""
    return {path: _content(folder, file) for path, file in files.items()}


def file_problems(folder: ProjectFolder, files: Mapping[str, FileConfig]) -> Iterator[tuple[str, str, str]]:
    """Path in the container, what is wrong and a hint, for each file that can't be read, and for too much in all."""
    total = 0
    for path, file in files.items():
        try:
            total += len(_content(folder, file))
        except Unreadable as error:
            yield path, error.what, error.hint or "paths are relative to deploy.yml"
            continue
        if total > _MOST_BYTES:
            yield path, "makes more than 1 MiB of files, which a ConfigMap can't hold", "put large files into the image"
            return


def _content(folder: ProjectFolder, file: FileConfig) -> bytes:
    return file.text.encode() if file.text is not None else folder.read(file.file or "", max_bytes=_MOST_BYTES)
