"""Digests of content, as a type that holds no other text. Imports errors only.

Source: OCI image-spec 1.1, descriptor.md, "Digests" and "Registered algorithms".
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from shipit.errors import ShipitError

_FORM = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", re.ASCII)

_MOST_SHOWN = 200


class InvalidDigest(ShipitError):
    """Text that should be a digest and is not."""


class Digest(str):
    """`sha256:` and 64 lower-case hexadecimal digits, or `sha512:` and 128. It is text in JSON and in formatted strings.

    Digests from servers, files and users are parsed into this type on input, before they are compared, stored or used in
    a path or URL.
    Raises: InvalidDigest for any other text, and for what is not text.
    """

    __slots__ = ()

    def __new__(cls, text: object) -> Digest:
        if isinstance(text, cls):
            return text
        if not isinstance(text, str) or not _FORM.fullmatch(text):
            raise InvalidDigest(f"{_shown(text)} should be sha256: and 64 hexadecimal digits in lower case")
        return super().__new__(cls, text)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """The sha256 digest of bytes."""
        return str.__new__(cls, f"sha256:{hashlib.sha256(data).hexdigest()}")

    @classmethod
    def from_hash(cls, finished: Any) -> Digest:
        """The digest of what a hashlib object has read; its algorithm is sha256 or sha512."""
        return cls(f"{finished.name}:{finished.hexdigest()}")

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        """The digits, without the algorithm: safe as a file's name."""
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """The first twelve digits, as docker prints an image id."""
        return self.hex[:12]

    def hasher(self) -> Any:
        """A new hashlib object of this digest's algorithm."""
        return hashlib.new(self.algorithm)

    def matches(self, data: bytes) -> bool:
        """Whether it is the digest of these bytes."""
        hasher = self.hasher()
        hasher.update(data)
        return bool(hasher.hexdigest() == self.hex)


def parse_digest(text: object) -> Digest | None:
    """The digest; None for any other text."""
    try:
        return Digest(text)
    except InvalidDigest:
        return None


def _shown(value: object) -> str:
    """An untrusted value without control characters. A long one is replaced by its length: the redactor can't find a secret that was cut."""
    text = value if isinstance(value, str) else type(value).__name__
    return ascii(text) if len(text) <= _MOST_SHOWN else f"a text of {len(text):,} characters"
