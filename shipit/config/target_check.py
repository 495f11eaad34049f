"""A request to what a target runs, sent when a deploy is healthy: the answer that it should give, and for how long."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from shipit.config.part import Model
from shipit.config.units import HTTP_URL, HTTP_URL_SAID, Duration, HttpUrl, Limit, Whole, matching

Text = Annotated[str, matching(r"^[\s\S]+$", "should be a text that is not empty")]


class CheckConfig(Model):
    """A request sent when the target is healthy; another answer than this fails the deploy. Text is its URL."""

    shorthand = ({"type": "string", "pattern": HTTP_URL, "patternErrorMessage": HTTP_URL_SAID},)
    expected = "should be a URL, or a map of keys: url, status, text, within, settle"

    url: HttpUrl = Field(
        description="The URL that is requested with GET; redirects are followed.",
        examples=["https://shop.example.com/healthz"],
    )
    status: Whole | None = Field(None, ge=100, le=599, description="The status; any 2xx when absent.", examples=[204])
    text: Text | None = Field(None, description="A text that the first 1 MiB of the body contains.", examples=["ready"])
    within: Limit = Field(10.0, description="Time limit of the whole answer.", validate_default=False, examples=["2s"])
    settle: Duration = Field(
        0.0,
        description="How long every answer has to be good, from the first good one.",
        validate_default=False,
        examples=["1m"],
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value
