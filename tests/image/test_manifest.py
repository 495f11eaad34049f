"""Untrusted manifests, indexes and configs: parsed into values, or an error that says what should be there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shipit.digest import Digest
from shipit.image.config import parse_config
from shipit.image.manifest import (
    CONFIG_TYPES,
    INDEX_TYPES,
    LAYER_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    Index,
    IndexRow,
    InvalidManifest,
    Manifest,
    parse_manifest,
)

ONE, TWO = Digest.of(b"1"), Digest("sha512:" + "2" * 128)
LAYER = {"mediaType": LAYER_TYPES["oci", "gzip"], "digest": ONE, "size": 5}
CONFIG = {"mediaType": CONFIG_TYPES["oci"], "digest": TWO, "size": 7}
IMAGE = {"schemaVersion": 2, "mediaType": MANIFEST_TYPES["oci"], "config": CONFIG, "layers": [LAYER]}
ROW = {"mediaType": MANIFEST_TYPES["oci"], "digest": ONE, "size": 5, "platform": {"os": "linux", "architecture": "arm"}}
INDEX = {"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": [ROW, {"digest": TWO, "size": 1}]}


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("form", ["oci", "docker"])
def test_a_manifest_is_parsed(form: Any) -> None:
    found = parse_manifest(dump({**IMAGE, "mediaType": MANIFEST_TYPES[form]}))
    layer = Descriptor(LAYER_TYPES["oci", "gzip"], ONE, 5)
    assert found == Manifest(form, Descriptor(CONFIG_TYPES["oci"], TWO, 7), (layer,))
    assert found.digests == [TWO, ONE]
    assert layer.compression == "gzip"


@pytest.mark.parametrize("media_type", INDEX_TYPES)
def test_an_index_is_parsed(media_type: str) -> None:
    rows = (IndexRow(ONE, "linux", "arm"), IndexRow(TWO))
    assert parse_manifest(dump({**INDEX, "mediaType": media_type})) == Index(rows)


@pytest.mark.parametrize(("value", "kind"), [(IMAGE, Manifest), (INDEX, Index)])
def test_a_missing_media_type_follows_from_the_keys(value: dict[str, Any], kind: type) -> None:
    assert isinstance(parse_manifest(dump({key: value[key] for key in value if key != "mediaType"})), kind)


BAD_DIGESTS = [
    ONE.hex,
    "sha256:../../../../victim/new",
    "sha256:/home/me/.ssh/id_rsa",
    f"SHA256:{ONE.hex}",
    f"{ONE}/..",
    f"{ONE}\n",
    f"sha256:{'A' * 64}",
    "sha1:" + "a" * 40,
    "",
    None,
    7,
    [ONE],
    {"digest": ONE},
]


@pytest.mark.parametrize("digest", BAD_DIGESTS, ids=repr)
def test_invalid_digests_are_refused_everywhere(digest: object) -> None:
    for value in (
        {**IMAGE, "config": {**CONFIG, "digest": digest}},
        {**IMAGE, "layers": [LAYER, {**LAYER, "digest": digest}]},
        {**INDEX, "manifests": [ROW, {**ROW, "digest": digest}]},
    ):
        with pytest.raises(InvalidManifest, match="a digest of"):
            parse_manifest(dump(value))
    with pytest.raises(InvalidManifest, match="a digest of diff_ids"):
        parse_config(dump({"rootfs": {"diff_ids": [digest]}}))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe{\0}\0", "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b"[]", "JSON object"),
        (b'"x"', "JSON object"),
        (b"null", "JSON object"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "not valid JSON"),
        (dump({**IMAGE, "x": float("nan")}), "not valid JSON"),
        (dump(IMAGE).replace(b'"size": 5', b'"size": 1e999'), "not valid JSON"),
        (dump(IMAGE).replace(b'"size": 5', b'"size": ' + b"9" * 5000), "not valid JSON"),
        (dump({**IMAGE, "note": "\ud800"}), "not valid JSON"),
        (dump({**IMAGE, "schemaVersion": 1, "mediaType": None}), "neither"),
        (dump({**IMAGE, **INDEX, "mediaType": None}), "neither"),
        (dump({"schemaVersion": 2}), "neither"),
        (dump({**IMAGE, "mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws"}), "can't be built"),
        (dump({**IMAGE, "mediaType": ["x"]}), "can't be built"),
        (dump({**IMAGE, "config": None}), "config should be an object"),
        (dump({**IMAGE, "layers": {}}), "layers should be a list"),
        (dump({**IMAGE, "layers": [1]}), "layers should be an object"),
        (dump({**IMAGE, "layers": [LAYER] * 501}), "at most 500"),
        (dump({**IMAGE, "layers": [{**LAYER, "mediaType": 5}]}), "mediaType should be text"),
        (dump({**INDEX, "manifests": [[ROW]]}), "manifests should be objects"),
        (dump({**INDEX, "manifests": [{**ROW, "platform": "linux"}]}), "platform should be an object"),
        (dump({**INDEX, "manifests": [{**ROW, "platform": {"os": 1}}]}), "os should be text"),
        (dump({**INDEX, "manifests": [ROW] * 10_001}), "at most 10000"),
    ],
)
def test_invalid_manifests_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(InvalidManifest, match=said):
        parse_manifest(data)


@pytest.mark.parametrize("size", [-1, 2**40 + 1, 2**63, 1.5, "5", True, None, [5]])
def test_sizes_are_whole_numbers_within_limits(size: object) -> None:
    with pytest.raises(InvalidManifest, match="size"):
        parse_manifest(dump({**IMAGE, "layers": [{**LAYER, "size": size}]}))


def test_artifacts_parse_and_their_layers_have_no_compression() -> None:
    chart = {**IMAGE, "layers": [{**LAYER, "mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip"}]}
    found = parse_manifest(dump(chart))
    assert isinstance(found, Manifest)
    with pytest.raises(InvalidManifest, match="is not a layer's type"):
        _ = found.layers[0].compression


GOOD_CONFIG = {"os": "linux", "architecture": "arm64", "rootfs": {"type": "layers", "diff_ids": [ONE]}}


def test_a_config_is_parsed() -> None:
    runtime = {
        "Env": ["A=b"],
        "Cmd": None,
        "Labels": {"a": "b"},
        "Volumes": None,
        "ArgsEscaped": True,
        "UnknownFact": [1],
    }
    found = parse_config(dump({**GOOD_CONFIG, "config": runtime, "history": [{}], "os.version": "10"}))
    assert found == ("linux", "arm64", (ONE,), runtime, [{}], {"os.version": "10"})
    assert parse_config(dump({"rootfs": {"diff_ids": None}, "config": None})).runtime == {}
    assert parse_config(dump({**GOOD_CONFIG, "config": {"Entrypoint": "/run"}})).runtime == {"Entrypoint": ["/run"]}


@pytest.mark.parametrize(
    "change",
    [
        {"rootfs": None},
        {"rootfs": []},
        {"rootfs": {"diff_ids": "x"}},
        {"os": 1},
        {"architecture": ["amd64"]},
        {"config": []},
        {"config": {"Env": [1]}},
        {"config": {"Env": {"A": "b"}}},
        {"config": {"Env": "A=b"}},
        {"config": {"Cmd": 5}},
        {"config": {"Cmd": [None]}},
        {"config": {"OnBuild": [["RUN"]]}},
        {"config": {"User": 0}},
        {"config": {"WorkingDir": ["/"]}},
        {"config": {"Labels": ["a"]}},
        {"config": {"Labels": {"a": 1}}},
        {"config": {"ExposedPorts": ["80"]}},
        {"config": {"Healthcheck": "curl"}},
        {"history": {}},
        {"history": [1]},
        {"history": [{}] * 10_001},
    ],
)
def test_invalid_configs_are_refused(change: dict[str, Any]) -> None:
    parse_config(dump(GOOD_CONFIG))
    with pytest.raises(InvalidManifest, match="should be"):
        parse_config(dump({**GOOD_CONFIG, **change}))
