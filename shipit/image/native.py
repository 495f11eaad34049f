"""The native builder: a Dockerfile without RUN to an image, in process, with neither daemon nor root."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from shipit.errors import BuildError, NeedsEngine
from shipit.image.base import BaseTree
from shipit.image.config import parse_config
from shipit.image.contents import bring_out
from shipit.image.context import read_ignore_rules, scan_context
from shipit.image.copy import CopyError, Owner, SpecialFile, new_folders
from shipit.image.copying import Surroundings, copied_entries
from shipit.image.dockerfile import Dockerfile, Instruction, parse_dockerfile
from shipit.image.expand import expand
from shipit.image.fetch import LayerReader
from shipit.image.image import BlobSource, BuiltImage, Layer, SourceImage, canonical_json
from shipit.image.memo import BuildMemo, Made
from shipit.image.options import BuildOptions
from shipit.image.owner import parse_owner
from shipit.image.packed import write_layer
from shipit.image.settings import environment_of, joined_workdir, with_setting
from shipit.image.stage import Stage
from shipit.image.stages import parse_arguments, platform_args, split_stages, stage_index, stage_names
from shipit.image.store import ContentStore
from shipit.image.tree import Entry, Tree, lay_over, normal, resolve_path
from shipit.image.used import UsedBases


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
        earlier: Callable[[], Iterable[bytes]],
    ) -> None:
        self.name = name
        self.dockerfile = dockerfile
        self.options = options
        self.store = store
        self.source = source
        self.blocks, self.globals = split_stages(dockerfile, options)
        self._stages: dict[int, Stage] = {}
        self._context: Future[Tree] | None = None
        self._bases = UsedBases(source)
        self._is_settled = True
        self._exits = ExitStack()
        self._ready = ready
        self._earlier = earlier
        self._bringing = threading.Lock()
        self._reader = LayerReader(store, source)
        self._scope = f"{name} {options.context} {options.dockerfile}"

    def build(self) -> BuiltImage:
        """Build the wanted stage.

        Raises: BuildError at the Dockerfile's line; RemoteError when a base can't be had.
        """
        with self._exits:
            self._scratch = self._exits.enter_context(self.store.scratch_folder())
            self._pool = self._exits.enter_context(ThreadPoolExecutor(max_workers=os.cpu_count() or 2))
            wanted = self._wanted()
            if any(_takes_context(instruction) for block in self.blocks[: wanted + 1] for instruction in block):
                # Beside the question for the base.
                self._context = self._pool.submit(self._scanned)
            memo = BuildMemo(self.store, self.dockerfile, self.options)
            made = self._known(memo) or self._made(memo, wanted)
            return BuiltImage(self.name, made.config, made.layers, self.options.platform, "native")

    def _known(self, memo: BuildMemo) -> Made | None:
        """What the same build came to before; its bases are asked for side by side."""
        if (uses := memo.bases()) is None:
            return None
        try:
            bases = dict(zip(uses, self._pool.map(self._bases.ask, uses), strict=True))
        except BuildError:
            # The build itself says so, if it still needs that image.
            return None
        context = self._seen_context()
        return None if context is None else memo.recall(bases, context)

    def _made(self, memo: BuildMemo, wanted: int) -> Made:
        stage = self._stage(wanted)
        layers = tuple(layer.result() if isinstance(layer, Future) else layer for layer in stage.layers)
        if stage.base is not None:
            stage.base.save()
        made = Made(self._config(stage, layers), layers)
        if self._is_settled and (context := self._seen_context()) is not None:
            memo.note(self._bases.used, context, made)
        return made

    def _seen_context(self) -> Tree | None:
        """The context, empty where nothing is copied from it; None where it can't be read, which who needs it will say."""
        try:
            return self._context.result() if self._context else {}
        except BuildError:
            return None

    def _wanted(self) -> int:
        if self.options.stage is None:
            return len(self.blocks) - 1
        return (
            stage_index(self.blocks, self.options.stage, len(self.blocks))
            if self.options.stage.lower() in stage_names(self.blocks)
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
            return self._stage(earlier).child()
        if image == "scratch":
            path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            return Stage(self._reader, None, None, {"Env": [path], "WorkingDir": "/"}, [], [])
        source = self._base(image, instruction.flag("platform"), where)
        config = parse_config(source.config)
        base = BaseTree(source.layers, self._reader, self._earlier, self._scope)
        return Stage(self._reader, source, base, config.runtime, list(source.layers), config.history)

    def _base(self, image: str, platform: str | None, where: str) -> SourceImage:
        wanted = (
            self._expanded(platform, {**self.globals, **platform_args(self.options.platform)}, where)
            if platform
            else self.options.platform
        )
        return self._bases.use(image, wanted, where)

    def _run(self, instruction: Instruction, stage: Stage, index: int) -> None:
        where = self.dockerfile.where(instruction)
        variables = {**stage.arguments, **environment_of(stage.runtime)}
        keyword = instruction.keyword
        empty = True
        try:
            if keyword == "RUN":
                raise NeedsEngine("RUN needs a builder that can run commands", where=where)
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
                stage.author = instruction.text
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
        except SpecialFile as error:
            raise NeedsEngine(f"{keyword}: {error}", where=where) from None
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
        found = resolve_path(stage.tree, normal(path))
        existing = stage.tree.get(found)
        if found == "" or (existing is not None and existing.kind == "dir"):
            return {}
        # As BuildKit does it, what WORKDIR creates belongs to the USER in force.
        user = stage.runtime.get("User") or ""
        owner = parse_owner(user, stage.row) if user else Owner(0, 0)
        return new_folders(stage.tree, f"{found}/", owner)

    def _add_layer(self, entries: Mapping[str, Entry], stage: Stage) -> bool:
        """Begin to write a layer; what follows needs only its tree."""
        if not entries:
            return False
        entries = stage.with_parents(entries)
        stage.layers.append(self._pool.submit(self._written, entries))
        lay_over(stage.own, entries)
        return True

    def _written(self, entries: Mapping[str, Entry]) -> Layer:
        written = write_layer(entries, self.store, self.options.created_s, self._brought_out)
        if written.is_new:
            self._ready(written.layer)
        if not written.is_settled:
            self._is_settled = False
        return written.layer

    def _brought_out(self, entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
        # One at a time: two may need the same layer, which is fetched once.
        with self._bringing:
            return bring_out(entries, self._reader, self._scratch)

    def _around(self, stage: Stage, index: int, variables: Mapping[str, str], where: str) -> Surroundings:
        return Surroundings(
            target=stage.tree,
            workdir=stage.runtime.get("WorkingDir") or "/",
            expand=lambda text, keep_quotes: self._expanded(text, variables, where, keep_quotes=keep_quotes),
            source=lambda name: self._from(name, index, where) if name else self._context_tree(),
            row=stage.row,
            scratch=self._scratch,
        )

    def _from(self, origin: str, index: int, where: str) -> Mapping[str, Entry]:
        earlier = int(origin) if origin.isdigit() and int(origin) < index else stage_index(self.blocks, origin, index)
        if earlier >= 0:
            return self._stage(earlier).whole()
        return BaseTree(self._base(origin, None, where).layers, self._reader, tuple, self._scope).whole()

    def _context_tree(self) -> Tree:
        if self._context is None:
            self._context = self._pool.submit(self._scanned)
        return self._context.result()

    def _scanned(self) -> Tree:
        rules = read_ignore_rules(self.options.context, self.options.dockerfile)
        return scan_context(self.options.context, rules, self.options.left_out, self.options.withheld)

    def _expanded(self, text: str, variables: Mapping[str, str], where: str, *, keep_quotes: bool = False) -> str:
        try:
            # A here-document has the usual escape, whatever the directive says.
            return expand(text, variables, "\\" if keep_quotes else self.dockerfile.escape, keep_quotes=keep_quotes)
        except ValueError as error:
            raise BuildError(str(error), where=where) from None

    def _config(self, stage: Stage, layers: tuple[Layer, ...]) -> bytes:
        known = parse_config(stage.source.config).features if stage.source else {}
        system, architecture, *variant = self.options.platform.split("/")
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
                **(stage.base.carried() if stage.base is not None else {}),
            }
        )


def _takes_context(instruction: Instruction) -> bool:
    return instruction.keyword in ("COPY", "ADD") and instruction.flag("from") is None
