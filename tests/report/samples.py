"""The events of whole runs, as the pipeline emits them."""

from __future__ import annotations

from typing import Literal

from shipit.digest import Digest
from shipit.envelope import Envelope
from shipit.events import (
    Event,
    Log,
    PlanMade,
    Retried,
    RunFailed,
    RunFinished,
    RunStarted,
    Serving,
    StepDone,
    StepFailed,
    StepId,
    StepProgress,
    StepStarted,
    TargetFinished,
    Transferred,
    Waiting,
    Warned,
)
from shipit.rehearsal.memory.steps import SetImages
from shipit.release import Place, Plan, PlannedImage, State, TargetPlan, Verdict

PLAN = Plan(
    "shop",
    "production",
    (PlannedImage("web", "linux/amd64", Digest.of(b"config"), "native"),),
    (
        TargetPlan(
            "k8s",
            Place("kubernetes", "namespace shop at 10.0.0.1:6443"),
            steps=(SetImages("Deployment/web", "Deployment/web", ("replicas 1 -> 3",), "create", images={}),),
        ),
        TargetPlan("heroku", Place("heroku", "app shop")),
    ),
)
PLAN_LINES = (
    "shop -> production",
    "",
    f"image  web  {Digest.of(b'config').short}  native",
    "",
    "k8s  namespace shop at 10.0.0.1:6443",
    "  + Deployment/web",
    "      replicas 1 -> 3",
    "",
    "heroku  app shop",
    "  = up to date",
    "",
    "1 change",
)


def told(event: Event, seq: int = 1) -> Envelope:
    """An event as reporters get it."""
    return Envelope(1, "0123456789ab", seq, "2025-11-26T00:00:00.000Z", event)


def finished(
    target: str,
    state: Literal["healthy", "unchanged", "failed", "skipped"],
    reason: str,
    elapsed_s: float,
    detail: tuple[str, ...] = (),
    hint: str = "",
    down: str = "",
) -> TargetFinished:
    """How a target ended."""
    known = {"failed": State.FAILED, "skipped": State.WAITING}
    verdict = Verdict(known.get(state, State.HEALTHY), reason, detail=detail, hint=hint, down=down)
    return TargetFinished(target, state, elapsed_s, verdict)


BUILD, PUSH = StepId("build", "web", platform="linux/amd64"), StepId("push", "registry.example.com/shop@sha256:0123")

# A deploy to two targets, one of which becomes healthy while the other crashes.
DEPLOY: tuple[Event, ...] = (
    RunStarted("deploy", "shop", "production", ("k8s", "heroku")),
    Warned("k8s", "replicas: 1 is not available while a node restarts"),
    PlanMade(PLAN, 1),
    StepStarted(BUILD, "build web"),
    Log("", "build web", "#5 RUN npm ci"),
    StepDone(BUILD, "built web 4.0 MiB", 93.4),
    StepStarted(PUSH, "push registry.example.com/shop"),
    StepProgress(PUSH, 1_048_576, 4_194_304),
    Retried("PUT registry.example.com/v2/shop/blobs", "503 Service Unavailable", 2.0),
    Retried("PUT registry.example.com/v2/shop/blobs", "connection reset", 0.1),
    StepDone(PUSH, "pushed registry.example.com/shop@0123456789ab", 2.25),
    Transferred("registry.example.com/shop", 4_194_304, 2, 1, 3),
    StepStarted(StepId("apply", "release", "heroku"), "release web"),
    StepFailed(StepId("apply", "release", "heroku"), "release web", "the release command ended with 1", 1.5),
    StepStarted(StepId("apply", "Deployment/web", "k8s"), "apply Deployment/web"),
    StepDone(StepId("apply", "Deployment/web", "k8s"), "applied Deployment/web", 0.5),
    Waiting("k8s", "Deployment/web 1 of 3 ready", ("Deployment/web 1 of 3 ready",)),
    Log("heroku", "release", "migrate: no such table"),
    finished("k8s", "healthy", "Deployment/web: 3 of 3 ready", 12.0),
    finished(
        "heroku",
        "failed",
        "the release command ended with 1",
        3.0,
        ("migrate: no such table",),
        "heroku releases:output v7 --app shop",
        "shop still runs v6",
    ),
    RunFinished(1, "1 of 2 targets failed", 100.0, (Serving("k8s", "https://shop.example.com/"),)),
)

# A run that ends before any target has a verdict.
REFUSED: tuple[Event, ...] = (
    RunStarted("plan", "shop", "production", ("k8s",)),
    RunFailed(1, "GET 10.0.0.1:6443/version: connection refused\nhint: is the cluster running?"),
)
