"""Approvals, as a person gives them at a terminal."""

from __future__ import annotations

from shipit.rehearsal.registry import EmbeddedRegistry
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
