"""The native builder: a Dockerfile without RUN to an image, in process, with neither daemon nor root."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from shipit.errors import BuildError, ShipitError
from shipit.image.context import read_ignore_rules, scan_context
from shipit.image.copy import CopyError, Owner
from shipit.image.copying import NEEDS_ENGINE, Surroundings, copied_entries
from shipit.image.dockerfile import Dockerfile, Instruction, parse_dockerfile
from shipit.image.expand import expand
from shipit.image.fetch import ensure_layer
from shipit.image.image import BlobSource, BuiltImage, Layer, SourceImage, canonical_json
from shipit.image.layer import bring_out, read_index, write_layer
from shipit.image.options import BuildOptions
from shipit.image.owner import parse_owner
from shipit.image.settings import Runtime, environment_of, joined_workdir, with_setting
from shipit.image.stages import parse_arguments, platform_args, split_stages, stage_index, stage_names
from shipit.image.stamps import FileDigests
from shipit.image.store import ContentStore
from shipit.image.tar import read_content
from shipit.image.tree import Entry, Tree, apply_changes, missing_parents, normal, resolve_path
from shipit.reference import parse_reference


@dataclass
class Stage:
    """A stage while it is built. `tree` is made when first needed, since it may need the base's layers."""

    base: SourceImage | None
    runtime: Runtime
    layers: list[Layer | Future[Layer]]
    history: list[dict[str, Any]]
    arguments: dict[str, str] = field(default_factory=dict)
    tree: Tree | None = None
    has_own_command: bool = False
    author: str = ""


class NativeBuilder:
    """Builds the stages that the wanted one needs, each once."""

    def __init__(
        self,
        name: str,
        dockerfile: Dockerfile,
        options: BuildOptions,
        store: ContentStore,
        source: BlobSource,
        ready: Callable[[Layer], None],
    ) -> None:
        self.name = name
        self.dockerfile = dockerfile
        self.options = options
        self.store = store
        self.source = source
        self.blocks, self.globals = split_stages(dockerfile, options)
        self._stages: dict[int, Stage] = {}
        self._context: Tree | None = None
        self._exits = ExitStack()
        self._ready = ready
        self._digests = FileDigests(options.context, store)

    def build(self) -> BuiltImage:
        """Build the wanted stage.

        Raises: BuildError at the Dockerfile's line; RemoteError when a base can't be had.
        """
        with self._exits:
            self._scratch = self._exits.enter_context(self.store.scratch_folder())
            self._pool = self._exits.enter_context(ThreadPoolExecutor(max_workers=os.cpu_count() or 2))
            stage = self._stage(self._wanted())
            layers = tuple(layer.result() if isinstance(layer, Future) else layer for layer in stage.layers)
            self._digests.save()
            return BuiltImage(self.name, self._config(stage, layers), layers, self.options.platform, "native")

    def _wanted(self) -> int:
        if self.options.stage is None:
            return len(self.blocks) - 1
        return (
            stage_index(self.blocks, self.options.stage, len(self.blocks))
            if self.options.stage in stage_names(self.blocks)
            else self._no_stage()
        )

    def _no_stage(self) -> int:
        names = ", ".join(stage_names(self.blocks)) or "none has a name"
        raise BuildError(
            f"there is no stage {self.options.stage!r}", where=self.dockerfile.name, hint=f"stages here: {names}"
        )

    def _stage(self, index: int) -> Stage:
        if index not in self._stages:
            block = self.blocks[index]
            stage = self._begin(block[0], index)
            triggers = stage.runtime.pop("OnBuild", None) or []
            for trigger in triggers:
                for instruction in parse_dockerfile(
                    trigger, f"{self.dockerfile.name}:{block[0].line} (ONBUILD)"
                ).instructions:
                    self._run(instruction, stage, index)
            for instruction in block[1:]:
                self._run(instruction, stage, index)
            self._stages[index] = stage
        return self._stages[index]

    def _begin(self, instruction: Instruction, index: int) -> Stage:
        where = self.dockerfile.where(instruction)
        words = self._expanded(instruction.text, self.globals, where).split()
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
            raise BuildError(
                "FROM should be IMAGE, or IMAGE AS NAME",
                where=where,
                hint="an ARG in it may be empty: give it a default above FROM",
            )
        image = words[0]
        if (earlier := stage_index(self.blocks, image, index)) >= 0:
            parent = self._stage(earlier)
            return Stage(parent.base, dict(parent.runtime), list(parent.layers), list(parent.history), tree=parent.tree)
        if image == "scratch":
            return Stage(
                None,
                {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "WorkingDir": "/"},
                [],
                [],
                tree={},
            )
        base = self._base(image, instruction.flag("platform"), where)
        config = json.loads(base.config)
        return Stage(base, dict(config.get("config") or {}), list(base.layers), list(config.get("history") or []))

    def _base(self, image: str, platform: str | None, where: str) -> SourceImage:
        wanted = (
            self._expanded(platform, {**self.globals, **platform_args(self.options.platform)}, where)
            if platform
            else self.options.platform
        )
        try:
            return self.source.resolve(parse_reference(image), wanted)
        except ShipitError as error:
            raise BuildError(
                f"the base {image}: {error.what}",
                where=where,
                hint=error.hint,
                retryable=error.retryable,
                detail=[f"at {error.where}"] if error.where else [],
            ) from error

    def _run(self, instruction: Instruction, stage: Stage, index: int) -> None:
        where = self.dockerfile.where(instruction)
        variables = {**stage.arguments, **environment_of(stage.runtime)}
        keyword = instruction.keyword
        empty = True
        try:
            if keyword == "RUN":
                raise BuildError("RUN needs a builder that can run commands", where=where, hint=NEEDS_ENGINE)
            if keyword == "ARG":
                self._declare(instruction, stage, variables)
                return
            if keyword in ("COPY", "ADD"):
                empty = not self._add_layer(
                    copied_entries(instruction, self._around(stage, index, variables, where), where), stage
                )
            elif keyword == "WORKDIR":
                path = joined_workdir(stage.runtime, self._expanded(instruction.text, variables, where))
                stage.runtime["WorkingDir"] = path
                empty = not self._add_layer(self._folder(path, stage), stage)
            elif keyword == "MAINTAINER":
                stage.author = self._expanded(instruction.text, variables, where)
            else:
                if keyword == "CMD":
                    stage.has_own_command = True
                elif keyword == "ENTRYPOINT" and not stage.has_own_command:
                    stage.runtime.pop("Cmd", None)
                stage.runtime = {
                    k: v
                    for k, v in with_setting(stage.runtime, instruction, variables, self.dockerfile.escape).items()
                    if v is not None
                }
        except CopyError as error:
            raise BuildError(f"{keyword}: {error}", where=where, hint=error.hint) from None
        except ValueError as error:
            raise BuildError(str(error), where=where) from None
        stage.history.append(
            {
                "created": self._created,
                "created_by": f"{keyword} {instruction.text}",
                **({"empty_layer": True} if empty else {}),
            }
        )

    @property
    def _created(self) -> str:
        return self.options.created

    def _declare(self, instruction: Instruction, stage: Stage, variables: Mapping[str, str]) -> None:
        for name, default in parse_arguments(instruction, variables, self.dockerfile.escape):
            known = {**platform_args(self.options.platform), **self.globals} if default is None else {}
            value = self.options.args.get(name, known.get(name, default))
            if value is not None:
                stage.arguments[name] = value

    def _folder(self, path: str, stage: Stage) -> dict[str, Entry]:
        tree = self._tree(stage)
        found = resolve_path(tree, normal(path))
        if found == "" or (found in tree and tree[found].kind == "dir"):
            return {}
        if found in tree:
            raise ValueError(f"WORKDIR {path} is a file in the image")
        # As BuildKit does it, what WORKDIR creates belongs to the USER in force.
        user = stage.runtime.get("User") or ""
        owner = parse_owner(user, lambda file: self._lines(tree, file)) if user else Owner(0, 0)
        folders = [*missing_parents(tree, found), found]
        return {folder: Entry("dir", 0o755, owner.uid, owner.gid) for folder in folders}

    def _add_layer(self, entries: dict[str, Entry], stage: Stage) -> bool:
        """Begin to write a layer; what follows needs only its tree."""
        if not entries:
            return False
        local = bring_out(entries, self.store, self._scratch)
        stage.layers.append(self._pool.submit(self._written, local))
        stage.tree = dict(self._tree(stage))
        apply_changes(stage.tree, local)
        return True

    def _written(self, entries: dict[str, Entry]) -> Layer:
        layer, is_new = write_layer(entries, self.store, self.options.created_s, self._digests.digest)
        if is_new:
            self._ready(layer)
        return layer

    def _around(self, stage: Stage, index: int, variables: Mapping[str, str], where: str) -> Surroundings:
        target = self._tree(stage)
        return Surroundings(
            target=target,
            workdir=stage.runtime.get("WorkingDir") or "/",
            expand=lambda text, keep_quotes: self._expanded(text, variables, where, keep_quotes=keep_quotes),
            source=lambda name: self._from(name, index, where) if name else self._context_tree(),
            lines=lambda file: self._lines(target, file),
            scratch=self._scratch,
        )

    def _from(self, origin: str, index: int, where: str) -> Tree:
        earlier = int(origin) if origin.isdigit() and int(origin) < index else stage_index(self.blocks, origin, index)
        if earlier >= 0:
            return self._tree(self._stage(earlier))
        base = self._base(origin, None, where)
        return self._tree(Stage(base, {}, list(base.layers), []))

    def _context_tree(self) -> Tree:
        if self._context is None:
            rules = read_ignore_rules(self.options.context, self.options.dockerfile)
            self._context = scan_context(self.options.context, rules)
        return self._context

    def _tree(self, stage: Stage) -> Tree:
        if stage.tree is None:
            with ThreadPoolExecutor(max_workers=4) as pool:
                changes = list(pool.map(self._index, stage.layers))
            stage.tree = {}
            for change in changes:
                apply_changes(stage.tree, change)
        return stage.tree

    def _index(self, made: Layer | Future[Layer]) -> Mapping[str, Entry | None]:
        layer = made.result() if isinstance(made, Future) else made
        ensure_layer(layer, self.store, self.source)
        return read_index(layer, self.store)

    def _lines(self, tree: Tree, file: str) -> list[str]:
        """The lines of a text file in the image; none where it is not there."""
        path = resolve_path(tree, file)
        if path not in tree:
            return []
        local = bring_out({path: tree[path]}, self.store, self._scratch)[path]
        return b"".join(read_content(path, local)).decode("utf-8", "replace").splitlines()

    def _expanded(self, text: str, variables: Mapping[str, str], where: str, *, keep_quotes: bool = False) -> str:
        try:
            return expand(text, variables, self.dockerfile.escape, keep_quotes=keep_quotes)
        except ValueError as error:
            raise BuildError(str(error), where=where) from None

    def _config(self, stage: Stage, layers: tuple[Layer, ...]) -> bytes:
        base = json.loads(stage.base.config) if stage.base else {}
        system, architecture, *variant = self.options.platform.split("/")
        known = {key: base[key] for key in ("os.version", "os.features") if key in base}
        return canonical_json(
            {
                **known,
                "architecture": architecture,
                "os": system,
                **({"variant": variant[0]} if variant else {}),
                **({"author": stage.author} if stage.author else {}),
                "created": self._created,
                "config": stage.runtime,
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
                "history": stage.history,
            }
        )
