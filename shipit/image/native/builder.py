"""The native builder: builds an image from a Dockerfile without RUN, in process, without a daemon or root."""

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
from shipit.image.dockerfile.split_stages import split_stages
from shipit.image.dockerfile.stages import StageBlock, dependencies_of, inherited_triggers, needed_stages
from shipit.image.dockerfile.syntax import find_problem
from shipit.image.image import BlobSource, BuiltImage, Layer, SourceImage, canonical_json
from shipit.image.layers.fetch import LayerReader
from shipit.image.manifest import InvalidManifest
from shipit.image.native.approval import Approval
from shipit.image.native.base_tree import BaseTree
from shipit.image.native.build_cache import BuildCache, BuildResult
from shipit.image.native.instructions import InstructionRunner
from shipit.image.native.layer_writer import LayerWriter
from shipit.image.native.runtime import parse_runtime, scratch_runtime
from shipit.image.native.stage_state import StageState
from shipit.image.native.used_images import ImageResolver
from shipit.image.options import BuildOptions
from shipit.image.store.content_store import ContentStore
from shipit.image.tree.entries import Entry, Tree


class NativeBuilder:
    """Builds the target stage, and each stage that it needs once. Raises: BuildError at the Dockerfile's line."""

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
        self._definition = split_stages(dockerfile, options, self._lexer)
        self._target = self._definition.target_number(options.stage)
        self._stages: dict[int, StageState] = {}
        self._context: Future[Tree] | None = None
        self._bases = ImageResolver(source)
        self._exits = ExitStack()
        self._approval = Approval(ready, check)
        self._earlier = earlier
        self._reader = LayerReader(store, source)
        self._scope = f"{name} {options.context} {options.dockerfile}"

    def build(self) -> BuiltImage:
        """Build the target stage.

        Raises: BuildError at the Dockerfile's line; RemoteError when a base cannot be fetched.
        """
        with self._exits:
            scratch = self._exits.enter_context(self.store.scratch_folder())
            self._pool = self._exits.enter_context(ThreadPoolExecutor(max_workers=os.cpu_count() or 2))
            self._writer = LayerWriter(self._pool, scratch, self._reader, self._approval.add)
            needed = needed_stages(self._definition, self._target)
            if any(_takes_context(instruction) for block in needed for instruction in block.body):
                # Read while the bases are resolved.
                self._context = self._pool.submit(self._read_context)
            cache = BuildCache(self.store, self.dockerfile, self.options)
            result = self._cached(cache) or self._build(cache, needed)
            return BuiltImage(self.name, result.config, result.layers, self.options.platform, "native")

    def _cached(self, cache: BuildCache) -> BuildResult | None:
        """The cached result of the same build. Its bases are resolved in parallel."""
        if (uses := cache.bases()) is None:
            return None
        try:
            bases = dict(zip(uses, self._pool.map(self._bases.resolve, uses), strict=True))
        except BuildError:
            # The build reports the error, if it still needs that image.
            return None
        context = self._readable_context()
        return None if context is None else cache.recall(bases, context)

    def _build(self, cache: BuildCache, needed: list[StageBlock]) -> BuildResult:
        for block in needed:
            self._base_image(block)
        self._build_stages()
        stage = self._stages[self._target]
        # The config without diff_ids is final while layers are still packed.
        self._approval.check_config(self._config(stage, ()))
        layers = tuple(layer.result() if isinstance(layer, Future) else layer for layer in stage.layers)
        if stage.base is not None:
            stage.base.save()
        result = BuildResult(self._config(stage, layers), layers)
        if self._writer.is_settled and (context := self._readable_context()) is not None:
            cache.note(self._bases.used, context, result)
        return result

    def _build_stages(self) -> None:
        """Build the stages that the target stage needs, in order. A stage is dropped after its last use."""
        waiting, planned = {self._target}, dict[int, list[Instruction]]()
        sources: dict[int, set[int]] = {}
        while waiting:
            # A stage depends on earlier stages only.
            block = self._definition.blocks[max(waiting)]
            waiting.remove(block.number)
            planned[block.number] = [*self._triggers(block), *block.body]
            sources[block.number] = dependencies_of(self._definition, block, planned[block.number])
            waiting |= sources[block.number]
        left = Counter(source for found in sources.values() for source in found)
        runner = InstructionRunner(self._definition, self.options, self._lexer, self._writer, self._source)
        for index in sorted(planned):
            stage = self._new_stage(self._definition.blocks[index])
            for instruction in planned[index]:
                runner.run(instruction, stage, index)
            self._stages[index] = stage
            left.subtract(sources[index])
            for done in [source for source in sources[index] if not left[source]]:
                del self._stages[done]

    def _triggers(self, block: StageBlock) -> list[Instruction]:
        """The ONBUILD instructions of the image or stage that a stage builds on."""
        if (image := self._base_image(block)) is None:
            return inherited_triggers(self._definition, block)
        where = self._definition.where(block.head)
        triggers: list[str] = _parse_base_config(image, block.image, where).runtime.get("OnBuild") or []
        return [parse_trigger(text, where, block.head.line) for text in triggers]

    def _base_image(self, block: StageBlock) -> SourceImage | None:
        """The image that a stage builds on; None for another stage, or scratch."""
        if block.base is not None or block.image == "scratch":
            return None
        where = self._definition.where(block.head)
        return self._bases.use(block.image, block.platform or self.options.platform, where)

    def _new_stage(self, block: StageBlock) -> StageState:
        if block.base is not None:
            return self._stages[block.base].successor()
        image = self._base_image(block)
        if image is None:
            return StageState(self._reader, None, scratch_runtime(), [], [])
        config = _parse_base_config(image, block.image, self._definition.where(block.head))
        base = BaseTree(image.layers, self._reader, self._earlier, self._scope)
        runtime = parse_runtime(config.runtime)
        runtime.triggers.clear()
        return StageState(self._reader, base, runtime, list(image.layers), list(config.history), config.features)

    def _source(self, instruction: Instruction, index: int) -> Mapping[str, Entry]:
        """The tree that a COPY copies from. Raises: ValueError."""
        origin = instruction.flag("from") if instruction.keyword == "COPY" else None
        if not origin:
            return self._context_tree()
        stage = self._definition.source(instruction, index)
        if stage is not None:
            return self._stages[stage].whole()
        image = self._bases.use(origin, self.options.platform, self._definition.where(instruction))
        return BaseTree(image.layers, self._reader, tuple, self._scope).whole()

    def _readable_context(self) -> Tree | None:
        """The context, empty when nothing is copied from it; None when it can't be read, which COPY reports."""
        try:
            return self._context.result() if self._context else {}
        except BuildError:
            return None

    def _context_tree(self) -> Tree:
        if self._context is None:
            self._context = self._pool.submit(self._read_context)
        return self._context.result()

    def _read_context(self) -> Tree:
        return read_context(self.options)

    def _config(self, stage: StageState, layers: tuple[Layer, ...]) -> bytes:
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
                **(stage.base.facts_for_config() if stage.base is not None else {}),
            }
        )


def _parse_base_config(image: SourceImage, name: str, where: str) -> ImageConfig:
    try:
        return parse_config(image.config)
    except InvalidManifest as error:
        raise BuildError(f"the base {name}: {error.what}", where=where, hint="choose another base") from None


def _takes_context(instruction: Instruction) -> bool:
    return instruction.keyword in ("COPY", "ADD") and not instruction.flag("from")
