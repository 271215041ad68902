"""Records: written whole, read whole or not at all, found by config, code and files."""

import base64
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from entreg_utils.experiments import Config, grids, store
from entreg_utils.experiments.config import PROTOCOL
from entreg_utils.experiments.store import Files
from entreg_utils.files import StorageError, own, read_checked, sha256

COMMITTED = Path(__file__).parents[2] / "data" / "runs"


def record_of(config, protocol=PROTOCOL, files=None, **more):
    """What a run of ``config`` would leave, with numbers by hand."""
    record = {"protocol": protocol, "config": config.to_dict(), "metrics": {"pxap": 0.125}}
    named = {"code": config.code, "files": files or {}}
    return record | {name: value for name, value in named.items() if value} | more


@pytest.fixture
def record(tiny):
    return record_of(tiny)


def commit(record, name):
    return store.write(record, store.committed_folder() / f"{name}.json")


# ---- whole, or not there


def test_a_record_comes_back_as_it_was_written(project, record, tiny):
    path = store.write(record, store.path_of(tiny))
    assert path == project / f"{tiny.name}.json"
    assert store.read(path) == record == store.find(tiny)
    assert store.locate(tiny) == (path, record)
    # The hash is that of the sorted, compact JSON, so that anyone can check it by hand.
    raw = json.loads(path.read_text())
    stated = raw.pop("sha256")
    assert stated == sha256(json.dumps(raw, sort_keys=True, separators=(",", ":")).encode())
    store.write(record | {"metrics": {"part": float("nan")}}, path)
    assert math.isnan(store.find(tiny)["metrics"]["part"])  # the part was never painted
    path.unlink()
    assert store.find(tiny) is None and store.locate(tiny) is None


TEXTS = [b"", b"{}", b"[]", b"null", b'{"sha256": 3}', b"\xff", b'{"a":1']


@pytest.mark.parametrize("damage", [0, 20, 100, -10, *TEXTS])
def test_one_changed_byte_anywhere_is_noticed_and_what_is_no_record(project, record, tiny, damage):
    path = store.write(record, store.path_of(tiny))
    raw = bytearray(path.read_bytes())
    if isinstance(damage, int):
        raw[damage] ^= 1
    path.write_bytes(raw if isinstance(damage, int) else damage)
    with pytest.raises(StorageError, match="damaged and was not read: delete it"):
        store.read(path)


def test_a_record_under_another_name_or_of_another_version_is_refused(project, record, tiny):
    path = store.write(record, store.path_of(tiny))
    moved = path.rename(project / f"{Config(seed=7).name}.json")
    with pytest.raises(StorageError, match=rf"holds another run \({tiny.name}\)"):
        store.read(moved)
    with pytest.warns(UserWarning, match="holds another run"):
        assert store.find(Config(seed=7)) is None
    unheard = record["config"] | {"colour": "red"}
    for change in ({"config": unheard}, {"files": {"x": ""}}, {"protocol": {}}):
        store.write(record | change, path)
        with pytest.raises(StorageError, match="one that this version does not know|another run"):
            store.read(path)


# ---- where a record is looked for


def test_two_variables_move_the_store(project, record, tiny, monkeypatch):
    birds = Config(dataset="cub", model="resnet18")  # most readers cannot train these anew
    for config in (tiny, birds):
        commit(record_of(config), config.name)
    monkeypatch.setenv("ENTREG_FRESH", "1")
    assert store.find(tiny) is None and store.find(birds) is not None
    monkeypatch.setenv("ENTREG_FRESH", "0")
    assert store.find(tiny) is not None
    monkeypatch.delenv("ENTREG_RESULTS")
    assert store.path_of(tiny).parent == own("results") != project


def test_committed_records_of_the_last_protocol_count_and_older_ones_do_not(project, tiny):
    names = {}
    for protocol in (3, 4):
        config = replace(tiny, seed=protocol)
        names[protocol] = store.name_of(config.to_dict(), {}, protocol)
        commit(record_of(config, protocol), names[protocol])
    assert store.find(replace(tiny, seed=3)) is None
    assert store.find(replace(tiny, seed=4))["protocol"] == 4
    mine = replace(tiny, seed=5)  # what can be trained again has to be
    name = store.name_of(mine.to_dict(), {}, 4)
    store.write(record_of(mine, 4), project / f"{name}.json")
    assert store.find(mine) is None


# ---- the files that a run was made from


def test_a_committed_record_loads_without_files_and_beside_others_with_one_line(
    one, photographs, project, monkeypatch, capsys
):
    files = vars(store.files_of(one))
    for seed in (0, 1):
        config = replace(one, seed=seed)
        name = config.name + Files(**files).suffix
        commit(record_of(config, files=files), name)
        assert store.find(config) is not None
    assert capsys.readouterr().err == ""  # these are the files
    photographs(2)
    store._files_once.cache_clear()
    for seed in (0, 1, 0):
        assert store.find(replace(one, seed=seed)) is not None
    line = capsys.readouterr().err
    assert line.startswith("note: the stored runs on cub were made from other photographs (")
    assert line.count("\n") == 1

    def none(data, split, size=None):
        raise StorageError("no photographs here")

    monkeypatch.setattr(type(one.data), "load", none)
    store._files_once.cache_clear()
    store._said.clear()
    assert store.find(one) is not None and capsys.readouterr().err == ""
    with pytest.raises(StorageError, match="no photographs here"):
        store.path_of(one)


# ---- maps in eight bits, and arrays to the bit


def test_maps_by_hand():
    maps = np.array([[[[0.0, 1.0], [0.5, 0.25]], [[-2.0, 0.0], [2.0, 1.0]]]])  # (1, 2, 2, 2)
    packed = store.pack_maps(maps)
    assert packed["shape"] == [1, 2, 2, 2]
    assert (packed["low"], packed["high"]) == ([[0.0, -2.0]], [[1.0, 2.0]])
    # 0.5 * 255 = 127.5 rounds to the even 128; 0.25 * 255 = 63.75 to 64.
    assert list(base64.b64decode(packed["uint8"])) == [0, 255, 128, 64, 0, 128, 255, 191]
    back = store.unpack_maps(json.loads(json.dumps(packed)))
    assert back.dtype == np.float32
    assert back[0, 0].ravel() == pytest.approx([0, 1, 128 / 255, 64 / 255])
    assert back[0, 1].ravel() == pytest.approx([-2, -2 + 4 * 128 / 255, 2, -2 + 4 * 191 / 255])
    flat = store.pack_maps(np.full((1, 1, 2, 2), 3.0))
    assert (store.unpack_maps(flat) == 3.0).all()


def test_arrays_come_back_to_the_bit_and_hits_over_thresholds_shrink():
    generator = np.random.default_rng(0)
    arrays = {
        "hits": generator.random((7, 13)) < 0.5,
        "share": generator.random(5).astype(np.float16),
        "entropies": generator.random(3).astype(np.float32),
        "lit": np.where(generator.random((6, 2, 2)) < 0.5, np.nan, 0.1).astype(np.float16),
        "empty": np.zeros((0, 4), bool),
    }
    found = store.unpack_arrays(json.loads(json.dumps(store.pack_arrays(arrays))))
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)  # NaN at the same places
    places = generator.integers(0, 1000, (800, 2))
    hits = (np.arange(1000) >= places.min(1)[:, None]) & (np.arange(1000) < places.max(1)[:, None])
    assert len(store.pack_arrays({"hits": hits})["hits"]["zlib"]) < hits.size / 8 / 5


# ---- the records that come with the project


def test_every_committed_record_is_whole_and_small_and_the_checkpoints_are_theirs():
    paths, models = (sorted(COMMITTED.glob(f"*.{end}")) for end in ("json", "pt"))
    for path in paths:
        assert store.read(path) is not None  # checks hash and name
        assert path.stat().st_size <= 30_000, path.name
    assert {config.name for config in grids.ALL} <= {path.stem for path in paths}
    drawn = {path.stem for path in models if path.stem.startswith("toy-")}
    assert drawn == {config.name for config in grids.CHECKPOINTS}
    for path in models:  # those of notebook 12 are of a network of timm
        assert path.stat().st_size <= (1_000_000 if path.stem in drawn else 1_600_000), path.name
        stated = store.read(path.with_suffix(".json"))["weights_sha256"]
        assert sha256(read_checked(path)) == stated
