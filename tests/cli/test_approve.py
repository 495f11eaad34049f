"""Approvals, as a person gives them at a terminal."""

from __future__ import annotations

from shipit.rehearsal.registry import EmbeddedRegistry
from tests.in_process import InProcess
from tests.shipit import Shipit


def test_the_name_is_typed_at_a_terminal_and_yes_is_no_approval(shipit: Shipit, registry: EmbeddedRegistry) -> None:
    shipit.write(
        deploy__yml=f"app: shop\nimage: {registry.host}/shop\n"
        "targets: {hub: {settle: 0s}}\nenvironments: {production: {inherit: true, approve: true}}\n"
    )
    refused = shipit.run("deploy", "--yes")
    assert refused.returncode == 2 and registry.tags == {}
    assert "not approved: the environment production is changed only with an approval" in refused.stderr
    assert "hint: type its name at a terminal" in refused.stderr
    code, shown = shipit.converse(["deploy", "--yes"], [("Type its name, production", "staging")])
    assert code == 2 and "not approved" in shown and registry.tags == {}
    code, shown = shipit.converse(["deploy"], [("Type its name, production", "production")])
    assert code == 0, shown
    assert "the environment production is approved by its name" in shown


def test_a_deploy_that_moves_tags_only_needs_the_approval_of_the_registry(in_process: InProcess) -> None:
    """As after a return to the content of an earlier deploy: all of it is uploaded already."""
    with EmbeddedRegistry() as registry:

        def write(text: str, keys: str = "") -> None:
            in_process.write(
                Dockerfile="FROM scratch\nCOPY a /\n",
                a=text,
                deploy__yml=f"app: shop\nimage: {registry.host}/shop\ntargets: {{hub: {{settle: 0s{keys}}}}}\n",
            )

        for text in ("one", "two"):
            write(text)
            assert in_process.run("deploy").returncode == 0
        moved = dict(registry.tags)
        for keys, words, said in (
            (", approve: true", ["--yes"], "not approved: the target hub is changed only with an approval"),
            (", protected: true", [], "not confirmed: hub is protected"),
        ):
            write("one", keys)
            refused = in_process.run("deploy", *words)
            assert refused.returncode == 2 and said in refused.stderr, refused.stdout + refused.stderr
            assert registry.tags == moved
        assert in_process.run("deploy", "--yes").returncode == 0
        assert registry.tags != moved
