"""Runs the instructions of a stage in the native builder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from shipit.errors import BuildError, NeedsEngine
from shipit.image.dockerfile.pairs import parse_pairs
from shipit.image.dockerfile.parse import Instruction
from shipit.image.dockerfile.shell_lex import Lexer
from shipit.image.dockerfile.stages import Stages, declared_arguments
from shipit.image.missing_source import MissingSource
from shipit.image.native.copy_instruction import CopyInputs, copied_entries
from shipit.image.native.copy_trees import CopyError, MissingPath, Owner, SpecialFile, new_folders
from shipit.image.native.layer_writer import LayerWriter
from shipit.image.native.owner import parse_owner
from shipit.image.native.settings import SETTINGS, joined_workdir
from shipit.image.native.stage_state import StageState
from shipit.image.options import BuildOptions
from shipit.image.tree.entries import Entry
from shipit.image.tree.paths import normal_path, resolve_path


class InstructionRunner(NamedTuple):
    """Runs instructions. `source(instruction, index)` is the tree that a COPY in a stage copies from."""

    stages: Stages
    options: BuildOptions
    lexer: Lexer
    writer: LayerWriter
    source: Callable[[Instruction, int], Mapping[str, Entry]]

    def run(self, instruction: Instruction, stage: StageState, index: int) -> None:
        """Run one instruction. Raises: BuildError at its line; NeedsEngine for what is unsupported."""
        where, keyword = self.stages.where(instruction), instruction.keyword
        try:
            has_layer = self._execute(instruction, stage, index, where)
        except NeedsEngine as error:
            raise NeedsEngine(f"{keyword}: {error.what}" if error.where != where else error.what, where=where) from None
        except SpecialFile as error:
            raise NeedsEngine(f"{keyword}: {error}", where=where) from None
        except MissingPath as error:
            raise MissingSource(keyword, error.path, where=where) from None
        except CopyError as error:
            raise BuildError(f"{keyword}: {error}", where=where, hint=error.hint) from None
        except ValueError as error:
            raise BuildError(str(error), where=where) from None
        if keyword != "ARG":
            step = {"created": self.options.created, "created_by": f"{keyword} {instruction.text}"}
            stage.history.append(step if has_layer else {**step, "empty_layer": True})

    def _execute(self, instruction: Instruction, stage: StageState, index: int, where: str) -> bool:
        """Run it. Returns whether it made a layer. Raises: ValueError, BuildError, NeedsEngine."""
        keyword = instruction.keyword
        if keyword == "RUN":
            raise NeedsEngine("RUN needs a builder that can run commands", where=where)
        if keyword in ("COPY", "ADD"):
            inputs = self._inputs(instruction, stage, index)
            return self.writer.add(copied_entries(instruction, inputs, where), stage)
        if keyword == "WORKDIR":
            path = joined_workdir(stage.runtime, self.lexer.word(instruction.text, stage.variables))
            stage.runtime.workdir = path
            return self.writer.add(_folder(path, stage), stage)
        if keyword == "ARG":
            self._declare(instruction, stage)
        elif keyword == "ENV":
            pairs = dict(parse_pairs(instruction.text, stage.variables, self.lexer))
            stage.runtime.env |= pairs
            stage.variables |= pairs
        elif keyword == "MAINTAINER":
            stage.author = instruction.text
        else:
            if keyword == "CMD":
                stage.has_own_command = True
            elif keyword == "ENTRYPOINT" and not stage.has_own_command:
                stage.runtime.cmd = None
            SETTINGS[keyword](stage.runtime, instruction, stage.variables, self.lexer)
        return False

    def _declare(self, instruction: Instruction, stage: StageState) -> None:
        for name, default in declared_arguments(instruction, self.lexer.escape):
            if name in self.options.args:
                stage.variables[name] = self.options.args[name]
            elif default is not None:
                stage.variables[name] = self.lexer.word(default, stage.variables)
            elif name in self.stages.arguments:
                stage.variables[name] = self.stages.arguments[name]

    def _inputs(self, instruction: Instruction, stage: StageState, index: int) -> CopyInputs:
        return CopyInputs(
            target=stage.tree,
            workdir=stage.runtime.workdir or "/",
            variables=stage.variables,
            lexer=self.lexer,
            source=lambda: self.source(instruction, index),
            row=stage.row,
            scratch=self.writer.scratch,
        )


def _folder(path: str, stage: StageState) -> dict[str, Entry]:
    """The folders that WORKDIR creates."""
    found = resolve_path(stage.tree, normal_path(path))
    existing = stage.tree.get(found)
    if found == "" or (existing is not None and existing.kind == "dir"):
        return {}
    # As in BuildKit, they belong to the current USER.
    user = stage.runtime.user
    owner = parse_owner(user, stage.row) if user else Owner(0, 0)
    return new_folders(stage.tree, f"{found}/", owner)
