"""The files of a build context that are warned of because of their names."""

from __future__ import annotations

from shipit.image.context.likely_secrets import likely_secrets


def test_names_of_secrets_are_found_and_templates_and_certificates_are_not() -> None:
    found = (".env", "app/.env.production", ".npmrc", "keys/id_ed25519", "tls/server.KEY", "config/master.key", "k.pem")
    other = (
        ".env.example",
        ".envrc.md",
        "id_rsa.pub",
        "ca.pem",
        "public.key",
        "src/env.py",
        "keyboard.json",
        "tls/cert.pem",
    )
    assert likely_secrets([*other, *found]) == tuple(sorted(found))
