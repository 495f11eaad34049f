"""The tags of a repository: every page, and no page that a hostile answer makes up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shipit.errors import RemoteError
from shipit.registry.tag_list import TagList
from tests.http.scripted import Start, answer
from tests.registry.test_wire import DATA, asked, client_of


def listed(*tags: object, link: str = "") -> bytes:
    return answer(json.dumps({"name": "a/b", "tags": tags}).encode(), "200 OK", *([f"Link: {link}"] if link else []))


def test_pages_are_followed_by_the_query_of_their_link_only(serve: Start, tmp_path: Path) -> None:
    server = serve(
        [
            answer(),
            listed("v1", "v2", link='<https://elsewhere.example/v2/x/tags/list?n=2&last=v2>; rel="next"'),
            listed("v2", "v3", link="</v2/a/b/tags/list?next_page=opaque%3D>; rel=next"),
            listed("v4"),
        ]
    )
    assert client_of(tmp_path, server).tags("a/b") == TagList(("v1", "v2", "v3", "v4"))
    assert asked(server)[1:] == [
        "GET /v2/a/b/tags/list?n=1000",
        "GET /v2/a/b/tags/list?n=2&last=v2",
        "GET /v2/a/b/tags/list?next_page=opaque%3D",
    ]


def test_a_link_to_the_same_page_ends_the_list(serve: Start, tmp_path: Path) -> None:
    server = serve([answer(), *(2 * [listed("v1", link='</v2/a/b/tags/list?last=v1>; rel="next"')])])
    assert client_of(tmp_path, server).tags("a/b") == TagList(("v1",), is_whole=False)


def test_endless_pages_are_read_up_to_a_bound(serve: Start, tmp_path: Path) -> None:
    pages = [listed(f"v{n}", link=f'</v2/a/b/tags/list?last=v{n}>; rel="next"') for n in range(30)]
    found = client_of(tmp_path, serve([answer(), *pages])).tags("a/b")
    assert len(found.tags) == 20 and not found.is_whole


@pytest.mark.parametrize(
    "reply", [answer(b'{"name": "a/b", "tags": null}'), answer(b'{"errors": []}', "404 Not Found")]
)
def test_an_empty_repository_and_none_have_no_tags(serve: Start, tmp_path: Path, reply: bytes) -> None:
    assert client_of(tmp_path, serve([answer(), reply])).tags("a/b") == TagList(())


@pytest.mark.parametrize("body", [b"[]", b"no json", b'{"tags": "v1"}', b'{"tags": ["v1", 2]}', b'{"tags": ["../v1"]}'])
def test_an_answer_that_is_no_list_of_tags_is_an_error(serve: Start, tmp_path: Path, body: bytes) -> None:
    with pytest.raises(RemoteError, match="the list of tags should be JSON"):
        client_of(tmp_path, serve([answer(), answer(body)])).tags("a/b")


def test_a_manifest_is_deleted_by_its_digest_and_one_that_is_gone_is_fine(serve: Start, tmp_path: Path) -> None:
    server = serve([answer(), answer(b"", "202 Accepted"), answer(b"{}", "404 Not Found")])
    client = client_of(tmp_path, server)
    for _ in range(2):
        client.delete_manifest("a/b", DATA)
    assert asked(server)[1:] == 2 * [f"DELETE /v2/a/b/manifests/{DATA}"]


def test_a_registry_that_deletes_nothing_is_an_error_with_its_status(serve: Start, tmp_path: Path) -> None:
    body = b'{"errors": [{"code": "UNSUPPORTED", "message": "The operation is unsupported."}]}'
    client = client_of(tmp_path, serve([answer(), answer(body, "405 Method Not Allowed")]))
    with pytest.raises(RemoteError, match="UNSUPPORTED") as caught:
        client.delete_manifest("a/b", DATA)
    assert caught.value.status == 405 and not caught.value.retryable
