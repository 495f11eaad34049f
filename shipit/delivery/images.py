"""The images of a run: each is built once, then prepared for every repository that will hold it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from shipit.config.build_files import build_files
from shipit.config.project import Project
from shipit.delivery.background_uploads import BuildKey
from shipit.delivery.delivery import Delivery
from shipit.delivery.publish_image import Missing, find_published
from shipit.delivery.secret_leaks import check_build, check_config
from shipit.delivery.withheld_files import describe_withheld, with_reason, withheld_from
from shipit.digest import Digest
from shipit.errors import BuildError, UsageError
from shipit.events import StepDone, StepFailed, StepId, StepStarted
from shipit.image.build import build_image
from shipit.image.build_tools import BuildTools
from shipit.image.image import BuiltImage, SourceImage
from shipit.image.options import EPOCH_S, BuildOptions
from shipit.parallel import together
from shipit.printable import counted, human_bytes
from shipit.reference import parse_reference
from shipit.release import CACHE_TAG, Image, ImageUse, PlannedImage
from shipit.threads import result_of


class Prepared(NamedTuple):
    """One use of an image, ready to publish: the image in the form of that use, what its repository lacks, and its tags.

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
        """A tag that no other image has: one of the new ones, or one made of the config digest."""
        return next(iter(self.new_tags), f"config-{self.built.config_digest.short}")

    @property
    def content_tag(self) -> str:
        """A new tag that is made of the config digest, and so never names another image; empty without one."""
        filled = zip(self.use.tags, self.use.tags_of(self.built.config_digest), strict=True)
        return next((tag for written, tag in filled if tag != written and tag in self.new_tags), "")

    @property
    def moving_tags(self) -> tuple[str, ...]:
        return tuple(tag for tag, digest in self.tags.items() if digest not in (None, self.image.manifest_digest))

    @property
    def is_published(self) -> bool:
        return not self.use.publish or (self.missing.is_published and not self.new_tags)


def build_images(delivery: Delivery, uses: Collection[ImageUse]) -> dict[BuildKey, BuiltImage]:
    """Build the images of the uses in parallel: (image, platform) -> image."""
    keys = dict.fromkeys((use.image, use.platform) for use in uses)
    delivery.background.expect(uses)
    found = together({key: partial(_built, delivery, *key) for key in keys}, delivery.clock)
    delivery.built.update(found)
    return found


def _built(delivery: Delivery, name: str, platform: str) -> BuiltImage:
    started, used = delivery.clock.now(), delivery.project.used_image(name)
    step = StepId("build" if used is None else "resolve", name, platform=platform)
    doing = f"build {name}" if used is None else f"resolve {used}"
    delivery.emit(StepStarted(step, doing))
    try:
        if used is not None:
            source = delivery.registries.resolve(parse_reference(used), platform)
            built = _used(delivery, name, source, platform, f"from {used}")
        elif not delivery.project.builds:
            hint = f"add repository: to it, or name it: --image {name}=REPO@DIGEST"
            raise UsageError(f"--no-build: the image {name} has no repository to find it in", hint=hint)
        else:
            options = delivery_options(delivery, name, platform)
            check = partial(check_config, name, delivery.environment.redactor)
            tools = BuildTools(
                delivery.store, delivery.registries, delivery.engine, delivery.emit, delivery.registries.login, check
            )
            key = (name, platform)
            ready, earlier = (
                partial(delivery.background.layer_made, key),
                partial(delivery.background.earlier_configs, key),
            )
            check_build(delivery.project, name, options, delivery.environment.redactor)
            try:
                built = build_image(name, options, tools, ready, earlier)
            except BuildError as error:
                raise with_reason(error, options.withheld) from None
            check(built.config)
            built = built._replace(left_out=describe_withheld(options.withheld))
    except Exception as error:
        delivery.emit(StepFailed(step, doing, str(error), delivery.clock.now() - started))
        raise
    # Written before anything is published, so that a full disk fails the run here.
    delivery.store.put(built.config)
    size = sum(layer.size_bytes for layer in built.layers)
    summary = f"{name}  {built.config_digest.short}  {counted(len(built.layers), 'layer')}, {human_bytes(size)}  ({built.builder})"
    delivery.emit(StepDone(step, summary, delivery.clock.now() - started))
    return built


def _used(delivery: Delivery, name: str, source: SourceImage, platform: str, builder: str) -> BuiltImage:
    """An image that is not built. Another repository gets its manifest as it is."""
    ref = source.ref
    manifest = (source.form, delivery.registries.manifest_bytes(ref, ref.digest)) if ref.digest else None
    return BuiltImage(name, source.config, source.layers, platform, builder, origin=ref, source_manifest=manifest)


def planned_image(project: Project, use: ImageUse, built: BuiltImage) -> PlannedImage:
    """A built image as data for a plan or a result."""
    insecure = project.images[use.image].insecure_host or ""
    return PlannedImage(use.image, use.platform, built.config_digest, built.builder, built.left_out, insecure)


def delivery_options(delivery: Delivery, name: str, platform: str) -> BuildOptions:
    """The options of an image's build, with the secrets that it mounts and the files that are left out of its context."""
    options = build_options(delivery.project, name, platform, delivery.environment.get("SOURCE_DATE_EPOCH"))
    own = _with_their_folders([delivery.store.root.resolve(), *delivery.environment.own_files], options.context)
    within = [path.relative_to(options.context).as_posix() for path in own]
    secrets = delivery.secrets.of_build(name)
    withheld = withheld_from(delivery.project, name, options.context, {**delivery.secrets.held, **secrets})
    variables, is_untrusted = delivery.environment.variables, delivery.environment.is_untrusted
    return replace(
        options,
        secrets=secrets,
        left_out=(*options.left_out, *within),
        withheld=withheld,
        variables=variables,
        is_untrusted=is_untrusted,
    )


def _with_their_folders(own: Sequence[Path], context: Path) -> set[Path]:
    """Paths in a context, and the folders of it that have nothing else."""
    found = {path for path in own if context in path.parents}
    for path in own:
        for folder in path.parents:
            if folder == context or context not in folder.parents or not folder.is_dir() or {*folder.iterdir()} - found:
                break
            found.add(folder)
    return found


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


def prepare_uses(
    delivery: Delivery, uses: Iterable[ImageUse], built: Mapping[BuildKey, BuiltImage]
) -> dict[ImageUse, Prepared]:
    """Read in parallel what each repository has of its image; writes nothing."""
    unique = dict.fromkeys(uses)
    return together(
        {use: partial(_prepared, delivery, use, built[use.image, use.platform]) for use in unique}, delivery.clock
    )


def _prepared(delivery: Delivery, use: ImageUse, plain: BuiltImage) -> Prepared:
    if not use.publish:
        return _kept_where_it_is(use, plain)
    built = plain.with_command(use.command).with_attempt(use.attempt)
    repository_ref = parse_reference(use.repository)
    tags = use.tags_of(built.config_digest)
    asked = delivery.inventory.tags(repository_ref, tags)
    delivery.background.image_made(use, built)
    built = delivery.background.as_published(use, built)
    absent = partial(delivery.background.image_absent, use, built)
    deadline, name = delivery.registries.deadline, repository_ref.name
    now = {tag: result_of(answer, deadline, f"what {name}:{tag} names") for tag, answer in asked.items()}
    origin = plain.origin
    if origin and origin.digest and origin.name == repository_ref.name and built.config == plain.config:
        # It is used from here, whoever wrote its manifest.
        missing = Missing(origin.digest, True)
    else:
        missing = find_published(delivery.inventory, repository_ref, built, use.form, now, absent)
    image = Image(use, repository_ref.name, built.config_digest, missing.manifest_digest, built.user)
    return Prepared(use, built, image, missing, now)


def _kept_where_it_is(use: ImageUse, plain: BuiltImage) -> Prepared:
    """A use that publishes nothing: an image in a repository of somebody else, or one that is sent to its place."""
    if plain.origin is not None and plain.origin.digest is not None:
        built, digest = plain, plain.origin.digest
    else:
        built = plain.with_command(use.command).with_attempt(use.attempt)
        digest = Digest.of(built.manifest(use.form))
    repository = parse_reference(use.repository).name if use.repository else ""
    image = Image(use, repository, built.config_digest, digest, built.user)
    return Prepared(use, built, image, Missing(digest, True), {})
