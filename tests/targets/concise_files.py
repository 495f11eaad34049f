"""What the keys of a workload become, in `concise/`: NAME.yml has the workloads, NAME.txt the objects.

`python -m tests.targets.concise_files` writes the objects of now; read the difference before it is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from shipit.config.document import parse_document, plain_data
from shipit.targets.kubernetes.concise.render.work import Work
from shipit.targets.kubernetes.concise.render.workload import render_workload
from shipit.targets.kubernetes.concise.workload import WorkloadConfig
from shipit.targets.kubernetes.config import KubernetesConfig
from shipit.targets.kubernetes.render import Setting

FOLDER = Path(__file__).with_name("concise")
CASES = sorted(FOLDER.glob("*.yml"))
NAMESPACE = "concise"
IMAGE = "registry.example.com/shop@sha256:" + "1" * 64
OTHERS = {
    "web": IMAGE,
    "proxy": "registry.example.com/proxy@sha256:" + "2" * 64,
    "node": "registry.example.com/node@sha256:" + "3" * 64,
}
# The image of the app runs as root.
USERS = {OTHERS["proxy"]: "1000:1000", OTHERS["node"]: "node"}
SETTING = Setting(
    "shop", NAMESPACE, env={"MODE": "x"}, secret_names=("TOKEN",), secret_mark="m1", secret_name="shop-env"
)


def read_config(case: Path) -> KubernetesConfig:
    """The workloads of a case as a target, read as deploy.yml is."""
    return KubernetesConfig.model_validate(plain_data(parse_document(case.read_bytes(), case.name)))


def rendered(case: Path) -> list[dict[str, Any]]:
    """The objects of a case."""
    return [item for name, own in read_config(case).workloads.items() for item in render_workload(_work(name, own))]


def _work(name: str, own: WorkloadConfig) -> Work:
    """A workload whose files have their own name as their content."""
    contents = {path: (file.text or f"content of {file.file}\n").encode() for path, file in own.files.items()}
    return Work(name, own, OTHERS.get(own.image or "", IMAGE), "sha256:c", SETTING, OTHERS, contents, users=USERS)


def as_text(objects: list[dict[str, Any]]) -> str:
    return yaml.safe_dump_all(objects, sort_keys=False, width=120)


if __name__ == "__main__":
    for each in CASES:
        each.with_suffix(".txt").write_text(as_text(rendered(each)), encoding="utf-8")
