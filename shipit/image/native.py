"""The native builder: a Dockerfile without RUN to an image, in process, with neither daemon nor root."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from shipit.errors import BuildError, ShipitError
from shipit.image.archive import archive_entries, is_archive
from shipit.image.context import read_ignore_rules, scan_context
from shipit.image.copy import CopyError, Owner, copy_entries
from shipit.image.dockerfile import Dockerfile, Heredoc, Instruction, parse_dockerfile, split_words
from shipit.image.expand import expand
from shipit.image.fetch import ensure_layer
from shipit.image.image import BlobSource, BuiltImage, Layer, SourceImage, canonical_json
from shipit.image.layer import bring_out, read_index, write_layer
from shipit.image.options import BuildOptions
from shipit.image.owner import parse_mode, parse_owner
from shipit.image.settings import Runtime, environment_of, joined_workdir, with_setting
from shipit.image.stages import parse_arguments, platform_args, split_stages, stage_index, stage_names
from shipit.image.store import ContentStore
from shipit.image.tar import read_content
from shipit.image.tree import Entry, Inline, LocalFile, Tree, apply_changes, missing_parents, normal, resolve_path
from shipit.reference import parse_reference

NEEDS_ENGINE = "start a Docker engine, or name one with DOCKER_HOST: then shipit builds with it"
# Flags of COPY and ADD that are done natively.
COPY_FLAGS = frozenset({"from", "chown", "chmod", "link"})


@dataclass
class Stage:
    """A stage while it is built. `tree` is made when first needed, since it may need the base's layers."""

    base: SourceImage | None
    runtime: Runtime
    layers: list[Layer]
    history: list[dict[str, Any]]
    arguments: dict[str, str] = field(default_factory=dict)
    tree: Tree | None = None
    has_own_command: bool = False
    author: str = ""


class NativeBuilder:
    """Builds the stages that the wanted one needs, each once."""

    def __init__(
        self, name: str, dockerfile: Dockerfile, options: BuildOptions, store: ContentStore, source: BlobSource
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

    def build(self) -> BuiltImage:
        """Build the wanted stage.

        Raises: BuildError at the Dockerfile's line; RemoteError when a base can't be had.
        """
        with self._exits:
            self._scratch = self._exits.enter_context(self.store.scratch_folder())
            stage = self._stage(self._wanted())
            return BuiltImage(self.name, self._config(stage), tuple(stage.layers), self.options.platform, "native")

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
                empty = not self._add_layer(self._copied(instruction, stage, index, variables, where), stage)
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
        if not entries:
            return False
        local = bring_out(entries, self.store, self._scratch)
        stage.layers.append(write_layer(local, self.store, self.options.created_s))
        stage.tree = dict(self._tree(stage))
        apply_changes(stage.tree, local)
        return True

    def _copied(
        self, instruction: Instruction, stage: Stage, index: int, variables: Mapping[str, str], where: str
    ) -> dict[str, Entry]:
        for name, _ in instruction.flags:
            if name not in COPY_FLAGS:
                raise BuildError(
                    f"{instruction.keyword} --{name} is not built natively", where=where, hint=NEEDS_ENGINE
                )
        words = instruction.json_words or split_words(instruction.text)
        expanded = [self._expanded(word, variables, where) for word in words]
        if len(expanded) < 2:
            raise ValueError(f"{instruction.keyword} needs a source and a destination")
        sources, destination = expanded[:-1], expanded[-1]
        target = self._tree(stage)
        owner, chmod = self._owner(instruction, target, variables, where), parse_mode(instruction.flag("chmod"))
        written = {doc.name: doc for doc in instruction.heredocs}
        if written:
            tree = {name: self._heredoc(doc, variables, where) for name, doc in written.items()}
            names = [re.sub(r"^<<-?['\"]?|['\"]?$", "", source) for source in sources]
            return copy_entries(
                tree, names, destination, target, workdir=self._workdir(stage), owner=owner, chmod=chmod
            )
        if any(re.match(r"https?://|git@|git://", source) for source in sources):
            raise BuildError("ADD from the network is not built natively", where=where, hint=NEEDS_ENGINE)
        origin = instruction.flag("from")
        tree = self._from(self._expanded(origin, variables, where), index, where) if origin else self._context_tree()
        if instruction.keyword == "ADD":
            return self._added(tree, sources, destination, stage, owner, chmod)
        return copy_entries(tree, sources, destination, target, workdir=self._workdir(stage), owner=owner, chmod=chmod)

    def _added(
        self, tree: Tree, sources: list[str], destination: str, stage: Stage, owner: Owner | None, chmod: int | None
    ) -> dict[str, Entry]:
        """ADD: a local archive is unpacked, everything else is copied."""
        target, out = dict(self._tree(stage)), {}
        for source in sources:
            entry = tree.get(resolve_path(tree, normal(source)))
            content = entry.content if entry else None
            if isinstance(content, LocalFile) and is_archive(content.path):
                unpacked, place = archive_entries(content.path, self._scratch), destination.rstrip("/") + "/"
                entries = copy_entries(unpacked, ["."], place, target, workdir=self._workdir(stage), owner=owner)
            else:
                many = destination if len(sources) == 1 or destination.endswith("/") else f"{destination}/"
                entries = copy_entries(
                    tree, [source], many, target, workdir=self._workdir(stage), owner=owner, chmod=chmod
                )
            out.update(entries)
            apply_changes(target, entries)
        return out

    def _heredoc(self, doc: Heredoc, variables: Mapping[str, str], where: str) -> Entry:
        text = doc.text
        if doc.expand:
            try:
                text = expand(text, variables, self.dockerfile.escape, keep_quotes=True)
            except ValueError as error:
                raise BuildError(str(error), where=where) from None
        return Entry("file", 0o644, size=len(text.encode()), content=Inline(text.encode()))

    def _from(self, origin: str, index: int, where: str) -> Tree:
        earlier = int(origin) if origin.isdigit() and int(origin) < index else stage_index(self.blocks, origin, index)
        if earlier >= 0:
            return self._tree(self._stage(earlier))
        base = self._base(origin, None, where)
        return self._tree(Stage(base, {}, list(base.layers), []))

    def _workdir(self, stage: Stage) -> str:
        return stage.runtime.get("WorkingDir") or "/"

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

    def _index(self, layer: Layer) -> Mapping[str, Entry | None]:
        ensure_layer(layer, self.store, self.source)
        return read_index(layer, self.store)

    def _owner(self, instruction: Instruction, tree: Tree, variables: Mapping[str, str], where: str) -> Owner | None:
        text = self._expanded(instruction.flag("chown") or "", variables, where)
        if not text:
            return Owner(0, 0) if not instruction.flag("from") else None
        return parse_owner(text, lambda file: self._lines(tree, file))

    def _lines(self, tree: Tree, file: str) -> list[str]:
        """The lines of a text file in the image; none where it is not there."""
        path = resolve_path(tree, file)
        if path not in tree:
            return []
        local = bring_out({path: tree[path]}, self.store, self._scratch)[path]
        return b"".join(read_content(path, local)).decode("utf-8", "replace").splitlines()

    def _expanded(self, text: str, variables: Mapping[str, str], where: str) -> str:
        try:
            return expand(text, variables, self.dockerfile.escape)
        except ValueError as error:
            raise BuildError(str(error), where=where) from None

    def _config(self, stage: Stage) -> bytes:
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
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in stage.layers]},
                "history": stage.history,
            }
        )
