"""The native builder: a Dockerfile without RUN to an image, in process, with neither daemon nor root."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

from shipit.errors import BuildError
from shipit.image.config import ImageConfig, parse_config
from shipit.image.context.folder import read_context
from shipit.image.dockerfile.onbuild import parse_trigger
from shipit.image.dockerfile.parse import Dockerfile, Instruction
from shipit.image.dockerfile.shell_lex import Lexer
from shipit.image.dockerfile.stages import StageBlock, dependencies_of, inherited_triggers, needed_stages, split_stages
from shipit.image.dockerfile.syntax import find_problem
from shipit.image.image import BlobSource, BuiltImage, Layer, SourceImage, canonical_json
from shipit.image.layers.fetch import LayerReader
from shipit.image.manifest import InvalidManifest
from shipit.image.native.approval import Approval
from shipit.image.native.base_tree import BaseTree
from shipit.image.native.build_cache import BuildMemo, Made
from shipit.image.native.instructions import Running
from shipit.image.native.layer_writer import LayerWriter
from shipit.image.native.runtime import runtime_of, scratch_runtime
from shipit.image.native.stage_state import Stage
from shipit.image.native.used_images import UsedBases
from shipit.image.options import BuildOptions
from shipit.image.store.content_store import ContentStore
from shipit.image.tree import Entry, Tree


class NativeBuilder:
    """Builds the stages that the wanted one needs, each once. Raises: BuildError at the Dockerfile's line."""

    def __init__(
        self,
        name: str,
        dockerfile: Dockerfile,
        options: BuildOptions,
        store: ContentStore,
        source: BlobSource,
        ready: Callable[[Layer], None],
        earlier: Callable[[], Iterable[bytes]],
        check: Callable[[bytes], None] = lambda config: None,
    ) -> None:
        if problem := find_problem(dockerfile):
            raise problem
        self.name = name
        self.dockerfile = dockerfile
        self.options = options
        self.store = store
        self._lexer = Lexer(dockerfile.escape)
        self._split = split_stages(dockerfile, options, self._lexer)
        self._wanted = self._split.target_number(options.stage)
        self._stages: dict[int, Stage] = {}
        self._context: Future[Tree] | None = None
        self._bases = UsedBases(source)
        self._exits = ExitStack()
        self._approval = Approval(ready, check)
        self._earlier = earlier
        self._reader = LayerReader(store, source)
        self._scope = f"{name} {options.context} {options.dockerfile}"

    def build(self) -> BuiltImage:
        """Build the wanted stage.

        Raises: BuildError at the Dockerfile's line; RemoteError when a base can't be had.
        """
        with self._exits:
            scratch = self._exits.enter_context(self.store.scratch_folder())
            self._pool = self._exits.enter_context(ThreadPoolExecutor(max_workers=os.cpu_count() or 2))
            self._writer = LayerWriter(self._pool, scratch, self._reader, self._approval.layer_made)
            needed = needed_stages(self._split, self._wanted)
            if any(_takes_context(instruction) for block in needed for instruction in block.body):
                # Beside the question for the base.
                self._context = self._pool.submit(self._scanned)
            memo = BuildMemo(self.store, self.dockerfile, self.options)
            made = self._known(memo) or self._made(memo, needed)
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

    def _made(self, memo: BuildMemo, needed: list[StageBlock]) -> Made:
        for block in needed:
            self._image_of(block)
        self._build_stages()
        stage = self._stages[self._wanted]
        # What it says is settled while its layers are still being packed.
        self._approval.ask(self._config(stage, ()))
        layers = tuple(layer.result() if isinstance(layer, Future) else layer for layer in stage.layers)
        if stage.base is not None:
            stage.base.save()
        made = Made(self._config(stage, layers), layers)
        if self._writer.is_settled and (context := self._seen_context()) is not None:
            memo.note(self._bases.used, context, made)
        return made

    def _build_stages(self) -> None:
        """Build what the wanted stage needs, in the order of the file; what no stage needs any more is let go."""
        waiting, planned = {self._wanted}, dict[int, list[Instruction]]()
        sources: dict[int, set[int]] = {}
        while waiting:
            # What a stage needs stands before it.
            block = self._split.blocks[max(waiting)]
            waiting.remove(block.number)
            planned[block.number] = [*self._triggers(block), *block.body]
            sources[block.number] = dependencies_of(self._split, block, planned[block.number])
            waiting |= sources[block.number]
        left = Counter(source for found in sources.values() for source in found)
        running = Running(self._split, self.options, self._lexer, self._writer, self._source)
        for index in sorted(planned):
            stage = self._begin(self._split.blocks[index])
            for instruction in planned[index]:
                running.run(instruction, stage, index)
            self._stages[index] = stage
            left.subtract(sources[index])
            for done in [source for source in sources[index] if not left[source]]:
                del self._stages[done]

    def _triggers(self, block: StageBlock) -> list[Instruction]:
        """What the image or stage that one is built on makes it do first."""
        if (image := self._image_of(block)) is None:
            return inherited_triggers(self._split, block)
        where = self._split.where(block.head)
        triggers: list[str] = _config_of(image, block.image, where).runtime.get("OnBuild") or []
        return [parse_trigger(text, where, block.head.line) for text in triggers]

    def _image_of(self, block: StageBlock) -> SourceImage | None:
        """The image that a stage is built on; None where that is another stage, or nothing."""
        if block.base is not None or block.image == "scratch":
            return None
        where = self._split.where(block.head)
        return self._bases.use(block.image, block.platform or self.options.platform, where)

    def _begin(self, block: StageBlock) -> Stage:
        if block.base is not None:
            return self._stages[block.base].child()
        image = self._image_of(block)
        if image is None:
            return Stage(self._reader, None, scratch_runtime(), [], [])
        config = _config_of(image, block.image, self._split.where(block.head))
        base = BaseTree(image.layers, self._reader, self._earlier, self._scope)
        runtime = runtime_of(config.runtime)
        runtime.triggers.clear()
        return Stage(self._reader, base, runtime, list(image.layers), list(config.history), config.features)

    def _source(self, instruction: Instruction, index: int) -> Mapping[str, Entry]:
        """The tree that a COPY in a stage copies from. Raises: ValueError."""
        origin = instruction.flag("from") if instruction.keyword == "COPY" else None
        if not origin:
            return self._context_tree()
        stage = self._split.source(instruction, index)
        if stage is not None:
            return self._stages[stage].whole()
        image = self._bases.use(origin, self.options.platform, self._split.where(instruction))
        return BaseTree(image.layers, self._reader, tuple, self._scope).whole()

    def _seen_context(self) -> Tree | None:
        """The context, empty where nothing is copied from it; None where it can't be read, which who needs it will say."""
        try:
            return self._context.result() if self._context else {}
        except BuildError:
            return None

    def _context_tree(self) -> Tree:
        if self._context is None:
            self._context = self._pool.submit(self._scanned)
        return self._context.result()

    def _scanned(self) -> Tree:
        return read_context(self.options)

    def _config(self, stage: Stage, layers: tuple[Layer, ...]) -> bytes:
        system, architecture, *variant = self.options.platform.split("/")
        optional: Mapping[str, str] = {"author": stage.author, "variant": "".join(variant)}
        return canonical_json(
            {
                **stage.features,
                **{key: value for key, value in optional.items() if value},
                "architecture": architecture,
                "os": system,
                "created": self.options.created,
                "config": stage.runtime.to_json(),
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
                "history": stage.history,
                **(stage.base.carried() if stage.base is not None else {}),
            }
        )


def _config_of(image: SourceImage, name: str, where: str) -> ImageConfig:
    try:
        return parse_config(image.config)
    except InvalidManifest as error:
        raise BuildError(f"the base {name}: {error.what}", where=where, hint="choose another base") from None


def _takes_context(instruction: Instruction) -> bool:
    return instruction.keyword in ("COPY", "ADD") and not instruction.flag("from")
