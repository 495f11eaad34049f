"""Hints for words that are commands of other tools."""

from __future__ import annotations

import difflib
from collections.abc import Collection

# A command of another tool -> the command of shipit that does it.
SYNONYMS = {
    "apply": "deploy", "release": "deploy", "ship": "deploy", "up": "deploy", "run-pipeline": "deploy", "setup": "deploy",
    "redeploy": "deploy", "upgrade": "deploy", "install": "deploy", "check": "validate", "verify": "validate",
    "config": "validate", "lint": "validate", "preview": "plan", "template": "render", "clean": "prune", "gc": "prune", "manifests": "render",
    "publish": "push", "ps": "status", "ls": "status", "list": "status", "details": "status", "info": "status",
    **dict.fromkeys(("delete", "down", "remove", "rm", "teardown", "undeploy", "uninstall"), "destroy"),
    "new": "init", "create": "init", "diagnose": "doctor", "auth": "login", "registry": "login", "version": "--version", "dynos": "scale", "ps:scale": "scale", "ps:restart": "restart", "reload": "restart", "bounce": "restart", "browse": "open", "url": "open", "urls": "open", "visit": "open",
    "pipelines:promote": "promote", **dict.fromkeys(("undo", "revert", "restore", "releases:rollback"), "rollback"),
    **dict.fromkeys(("releases", "deployments", "runs", "audit"), "history"), "log": "logs", "tail": "logs",
    **dict.fromkeys(("describe", "events", "get", "top"), "status"), "run:detached": "run", "ps:exec": "exec", "sh": "exec", "proxy": "forward",
    "console": "exec", "ssh": "exec", "bash": "exec", "shell": "exec", "attach": "exec", "port-forward": "forward",
}  # fmt: skip
# A command of another tool that shipit lacks -> the way to do it today.
ELSEWHERE = {
    **dict.fromkeys(
        ("pause", "maintenance"),
        "shipit stop is for Docker hosts and Compose; elsewhere shipit scale k8s/web=0, or set replicas or quantity in deploy.yml",
    ),
    **dict.fromkeys(("env", "secrets", "config:set"), "env and secrets are keys of deploy.yml: shipit help secrets"),
    "dev": "shipit deploys what is built once: docker compose watch or skaffold dev serve while you develop",
    "lock": "a deploy locks what it changes by itself; shipit unlock breaks the lock of a run that is gone",
}  # fmt: skip


def hint_for(word: str, commands: Collection[str]) -> str:
    """The hint for a word that is no command.

    A command that changes a target is never suggested for one that removes something.
    """
    if word in ELSEWHERE:
        return ELSEWHERE[word]
    if word in SYNONYMS:
        return f"use shipit {SYNONYMS[word]}"
    begun = sorted(command for command in commands if len(word) > 2 and command.startswith(word))
    near = begun or difflib.get_close_matches(word, commands, n=1, cutoff=0.75)
    return f"did you mean {' or '.join(near[:3])}?" if near else "shipit --help lists the commands"
