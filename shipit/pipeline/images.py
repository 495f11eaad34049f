"""The images of a run: which are needed, built once each, and how each place will take them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from shipit.config.build_files import build_files
from shipit.config.project import Project
from shipit.digest import Digest
from shipit.errors import BuildError, UsageError
from shipit.events import StepDone, StepFailed, StepStarted
from shipit.image.build import build_image
from shipit.image.build_tools import BuildTools
from shipit.image.image import BuiltImage
from shipit.image.options import EPOCH_S, BuildOptions
from shipit.pipeline.early import BuildKey
from shipit.pipeline.leaks import check_build, check_config
from shipit.pipeline.parallel import together
from shipit.pipeline.run import Run
from shipit.pipeline.withheld import told, with_reason, withheld_from
from shipit.reference import parse_reference
from shipit.registry.publish import Missing, find_published
from shipit.release import CACHE_TAG, Image, ImageUse, short
from shipit.threads import result_of


class Prepared(NamedTuple):
    """One use of an image, ready to publish: the image as that place takes it, what the place lacks, and its tags.

    `tags`: tag -> manifest digest it names now, or None where it is new.
    """

    use: ImageUse
    built: BuiltImage
    image: Image
    missing: Missing
    tags: Mapping[str, Digest | None]

    @property
    def new_tags(self) -> tuple[str, ...]:
        return tuple(tag for tag, digest in self.tags.items() if digest is None)

    @property
    def own_tag(self) -> str:
        """A tag that names nothing else: one of the new ones, or one after the image."""
        return next(iter(self.new_tags), f"config-{short(self.built.config_digest)}")

    @property
    def moving_tags(self) -> tuple[str, ...]:
        return tuple(tag for tag, digest in self.tags.items() if digest not in (None, self.image.manifest_digest))

    @property
    def is_published(self) -> bool:
        return not self.use.publish or (self.missing.is_published and not self.new_tags)


def build_images(run: Run, uses: Collection[ImageUse]) -> dict[BuildKey, BuiltImage]:
    """Build, side by side, what the uses need: (image, platform) -> image."""
    keys = dict.fromkeys((use.image, use.platform) for use in uses)
    run.early.expect(uses)
    return together({key: partial(_built, run, *key) for key in keys}, run.clock)


def _built(run: Run, name: str, platform: str) -> BuiltImage:
    config, step = run.project.images[name], f"build {name} {platform}"
    started = run.clock.now()
    doing = f"build {name}" if config.use is None else f"resolve {config.use}"
    run.emit(StepStarted(step, "", doing))
    try:
        if config.use is not None:
            source = run.registries.resolve(parse_reference(config.use), platform)
            built = BuiltImage(name, source.config, source.layers, platform, f"from {config.use}", origin=source.ref)
        else:
            options = run_options(run, name, platform)
            check = partial(check_config, name, run.redactor)
            tools = BuildTools(run.store, run.registries, run.engine, run.emit, run.registries.login, check)
            key = (name, platform)
            ready, earlier = partial(run.early.layer_made, key), partial(run.early.earlier_configs, key)
            check_build(run.project, name, options, run.redactor)
            try:
                built = build_image(name, options, tools, ready, earlier)
            except BuildError as error:
                raise with_reason(error, options.withheld) from None
            check(built.config)
            built = built._replace(left_out=told(options.withheld))
    except Exception as error:
        run.emit(StepFailed(step, "", str(error), run.clock.now() - started, doing))
        raise
    # Before anything is published: a cache that is full is told here.
    run.store.put(built.config)
    size = sum(layer.size_bytes for layer in built.layers)
    summary = f"{name}  {short(built.config_digest)}  {counted(len(built.layers), 'layer')}, {human_bytes(size)}  ({built.builder})"
    run.emit(StepDone(step, "", summary, run.clock.now() - started))
    return built


def run_options(run: Run, name: str, platform: str) -> BuildOptions:
    """The options of an image's build in a run, with the values that it mounts, and without our cache in its context."""
    options = build_options(run.project, name, platform, run.environment.get("SOURCE_DATE_EPOCH"))
    cache, left_out = run.store.root.resolve(), options.left_out
    if options.context in cache.parents:
        left_out = (*left_out, cache.relative_to(options.context).as_posix())
    secrets = run.build_secrets(name)
    withheld = withheld_from(run.project, name, options.context, {**run.held_secrets, **secrets})
    variables, is_untrusted = run.environment.variables, run.environment.is_untrusted
    return replace(
        options,
        secrets=secrets,
        left_out=left_out,
        withheld=withheld,
        variables=variables,
        is_untrusted=is_untrusted,
    )


def build_options(project: Project, name: str, platform: str, source_date_epoch: str | None) -> BuildOptions:
    """The options of an image's build, its paths made absolute."""
    build = project.images[name].build
    files = build_files(project, name)
    if source_date_epoch is not None and not source_date_epoch.isdigit():
        raise UsageError("SOURCE_DATE_EPOCH should be whole seconds since 1970")
    args = {key: value for key, value in (build.args if build else {}).items() if value is not None}
    return BuildOptions(
        context=files.context,
        dockerfile=files.dockerfile,
        args=args,
        stage=build.stage if build else None,
        platform=platform,
        builder=build.builder if build else "auto",
        ssh=bool(build and build.ssh),
        cache=f"{project.images[name].repository}:{CACHE_TAG}" if build and build.cache else "",
        times=build.times if build else "content",
        created_s=int(source_date_epoch) if source_date_epoch is not None else EPOCH_S,
    )


def prepare_uses(run: Run, uses: Iterable[ImageUse], built: Mapping[BuildKey, BuiltImage]) -> dict[ImageUse, Prepared]:
    """Read, side by side, what each repository has of its image; nothing is written."""
    unique = dict.fromkeys(uses)
    return together({use: partial(_prepared, run, use, built[use.image, use.platform]) for use in unique}, run.clock)


def _prepared(run: Run, use: ImageUse, plain: BuiltImage) -> Prepared:
    if not use.publish:
        return _kept_where_it_is(use, plain)
    built = plain.with_command(use.command).with_attempt(use.attempt)
    repository_ref = parse_reference(use.repository)
    tags = tuple(tag.replace("{config}", short(built.config_digest)) for tag in use.tags)
    asked = run.inventory.tags(repository_ref, tags)
    run.early.image_made(use, built)
    built = run.early.as_published(use, built)
    absent = partial(run.early.image_absent, use, built)
    deadline, name = run.registries.deadline, repository_ref.name
    now = {tag: result_of(answer, deadline, f"what {name}:{tag} names") for tag, answer in asked.items()}
    missing = find_published(run.inventory, repository_ref, built, use.form, now, absent)
    image = Image(use.image, repository_ref.name, use.form, built.config_digest, missing.manifest_digest)
    return Prepared(use, built, image, missing, now)


def _kept_where_it_is(use: ImageUse, plain: BuiltImage) -> Prepared:
    """A use that publishes nothing: of an image in another's repository, or of one that stays where it was built."""
    if plain.origin is not None and plain.origin.digest is not None:
        built, digest = plain, plain.origin.digest
    else:
        built = plain.with_command(use.command).with_attempt(use.attempt)
        digest = Digest.of(built.manifest(use.form))
    image = Image(use.image, parse_reference(use.repository).name, use.form, built.config_digest, digest)
    return Prepared(use, built, image, Missing(digest, True), {})


def counted(number: int, noun: str) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def human_bytes(size: float) -> str:
    """`1.2 MiB` and the like."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")
