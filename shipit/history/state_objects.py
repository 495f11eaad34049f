"""The state in an object store: S3 and what speaks its protocol, Google Cloud Storage, Azure. It takes the library obstore.

Source: docs.aws.amazon.com/AmazonS3, "Conditional writes" (If-None-Match, If-Match); cloud.google.com/storage,
"Request preconditions"; learn.microsoft.com, "Specifying conditional headers for Blob service operations".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shipit.errors import UsageError
from shipit.history.state_store import CLOCK, MOST_BYTES, Kept, StateError
from shipit.printable import printable_line

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_REQUEST_S, _ATTEMPTS = 10, 2
_INSTALL = "pipx inject shipit obstore, or pip install obstore"
_RIGHTS = "check the credentials and region in the environment, and the rights to list, read and write the bucket"
_NO_BUCKET = "create it, or correct `state:` in deploy.yml"


class StateObjects:
    """The objects of a bucket under a prefix. `url` is such as s3://BUCKET/PREFIX. Credentials are those of the environment."""

    keeps_locks = True

    def __init__(self, url: str) -> None:
        """Raises: UsageError where the library is missing, or the URL or the environment is no use to it."""
        self.title = url
        self._store = _opened(url)

    def read(self, name: str) -> Kept | None:
        import obstore
        from obstore.exceptions import NotFoundError

        with self._told(name):
            try:
                found = obstore.get(self._store, name)
                if found.meta["size"] > MOST_BYTES:
                    what = f"the object of the state has {found.meta['size']:,} bytes, and should have {MOST_BYTES:,} at most"
                    raise StateError(what, where=f"{self.title}/{name}", hint="name another prefix for `state:`")
                data = bytes(found.bytes())
            except (NotFoundError, FileNotFoundError):
                return None
            return Kept(data, _version(found.meta), found.meta["last_modified"].timestamp())

    def swap(self, name: str, data: bytes, version: str) -> str | None:
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotFoundError, PreconditionError

        mode: Any = json.loads(version) if version else "create"
        with self._told(name):
            try:
                return _version(obstore.put(self._store, name, data, mode=mode))
            except (AlreadyExistsError, PreconditionError):
                return None
            except (NotFoundError, FileNotFoundError):
                if version:
                    return None
                raise StateError("there is no such bucket", where=self.title, hint=_NO_BUCKET) from None

    def now_s(self) -> float:
        import obstore

        with self._told(CLOCK):
            obstore.put(self._store, CLOCK, b"")
            return obstore.head(self._store, CLOCK)["last_modified"].timestamp()

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            raise StateError(_said(error), where=f"{self.title}/{name}", hint=_RIGHTS) from None


def _opened(url: str) -> ObjectStore:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        what = f"state: {url} needs the library obstore, which is not installed"
        raise UsageError(what, hint=_INSTALL) from None
    try:
        return from_url(
            url,
            # Plain HTTP only for an endpoint of the environment that says so, as with a server of one's own.
            client_options={
                "timeout": f"{_REQUEST_S}s",
                "connect_timeout": f"{_REQUEST_S // 2}s",
                "allow_http": True,
            },
            retry_config={"max_retries": _ATTEMPTS, "retry_timeout": timedelta(seconds=_REQUEST_S)},
        )
    except (BaseError, OSError, ValueError) as error:
        raise UsageError(_said(error), where=f"state: {url}", hint=_RIGHTS) from None


def _version(meta: Mapping[str, Any]) -> str:
    """The version of an object, with all that the stores compare: S3 and Azure the ETag, Google the generation."""
    return json.dumps({key: meta[key] for key in ("e_tag", "version") if meta.get(key) is not None})


def _said(error: Exception) -> str:
    """The first line of an error, which says what failed; the others are internals of the library."""
    return f"the state can't be read or written: {printable_line(str(error).partition(chr(10))[0])[:300]}"
