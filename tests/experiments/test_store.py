"""Records: written whole, read whole or not at all, small where they are committed."""

import base64
import json
import math
import os

import numpy as np
import pytest

from entreg_utils.experiments import Config, grids, store
from entreg_utils.files import StorageError, read_checked, sha256


@pytest.fixture
def record(tiny):
    history = {"epoch": [1, 2], "loss": [0.5, 0.25]}
    return {"config": tiny.to_dict(), "history": history, "metrics": {"pxap": 0.125}}


def test_a_record_comes_back_as_it_was_written(project, record, tiny):
    path = store.write(record)
    assert path == project / f"{tiny.name}.json"
    assert store.read(path) == record == store.find(tiny)
    # The hash is that of the sorted, compact JSON, so that anyone can check it by hand.
    raw = json.loads(path.read_text())
    stated = raw.pop("sha256")
    assert stated == sha256(json.dumps(raw, sort_keys=True, separators=(",", ":")).encode())
    assert store.write(record | {"sha256": "stale"}).read_text() == path.read_text()


def test_a_score_that_has_no_value_survives(project, record, tiny):
    store.write(record | {"metrics": {"part": float("nan")}})  # the part was never painted
    assert math.isnan(store.find(tiny)["metrics"]["part"])


def test_nothing_stored_is_none_even_where_the_folder_is_a_file(project, tiny):
    assert store.find(tiny) is None
    project.write_text("")
    assert store.find(tiny) is None


def test_the_readers_own_results_come_before_the_committed_records(project, record, tiny):
    committed = store.committed_folder()
    store.write(record | {"metrics": {"pxap": 0.5}}, committed)
    assert store.find(tiny)["metrics"] == {"pxap": 0.5}
    store.write(record)
    assert store.find(tiny)["metrics"] == {"pxap": 0.125}


def test_two_variables_move_the_store(project, record, tiny, monkeypatch, tmp_path):
    root = tmp_path / "project"
    assert store.folders() == [project, root / "data" / "runs"]
    monkeypatch.delenv("ENTREG_RESULTS")
    assert store.results_folder() == root / "results"
    monkeypatch.setenv("ENTREG_FRESH", "1")
    assert store.folders() == [root / "results"]
    birds = Config(dataset="cub", model="resnet18")  # most readers cannot train these anew
    assert store.folders(birds) == [root / "results", root / "data" / "runs"]
    monkeypatch.setenv("ENTREG_FRESH", "0")
    assert len(store.folders()) == 2


@pytest.mark.parametrize("position", [0, 20, 100, -10])
def test_one_changed_byte_anywhere_is_noticed(project, record, position):
    path = store.write(record)
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1
    path.write_bytes(raw)
    with pytest.raises(StorageError, match="damaged and was not read: delete it"):
        store.read(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"sha256": 3}', "\xff", '{"a":1'])
def test_what_is_no_record_is_refused(project, tiny, text):
    project.mkdir()
    path = project / f"{tiny.name}.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StorageError, match="damaged"):
        store.read(path)


def test_a_record_under_another_name_is_refused(project, record, tiny):
    path = store.write(record)
    moved = path.rename(project / f"{Config(seed=7).name}.json")
    with pytest.raises(StorageError, match=rf"holds another run \({tiny.name}\)"):
        store.read(moved)
    with pytest.warns(UserWarning, match="holds another run"):
        assert store.find(Config(seed=7)) is None


def test_a_record_of_another_version_is_refused(project, record):
    path = store.write(record)
    content = record | {"config": record["config"] | {"colour": "red"}}
    content["sha256"] = store._digest(content)
    path.write_text(json.dumps(content))
    with pytest.raises(StorageError, match="one that this version does not know"):
        store.read(path)


def test_a_record_that_may_not_be_read_is_one_sentence(project, record, tiny):
    path = project / f"{tiny.name}.json"
    path.mkdir(parents=True)  # the system refuses to read a folder, whoever asks
    with pytest.raises(StorageError, match="cannot read .*ENTREG_RESULTS"):
        store.read(path)


def test_committed_records_have_a_size_limit_and_a_readers_own_have_none(project, record):
    record |= {"maps": "x" * store.MAX_RECORD_BYTES}
    with pytest.raises(StorageError, match=r"has \d+ bytes, and .*runs takes 30000 at most"):
        store.write(record, store.committed_folder())
    assert not store.committed_folder().exists()
    assert store.read(store.write(record)) == record
    record["maps"] = ""
    size = os.path.getsize(store.write(record))
    record["maps"] = "x" * (store.MAX_RECORD_BYTES - size)
    assert os.path.getsize(store.write(record, store.committed_folder())) == 30_000


# ---- maps in eight bits


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


def test_a_constant_map_survives():
    packed = store.pack_maps(np.full((1, 1, 2, 2), 3.0))
    assert (store.unpack_maps(packed) == 3.0).all()


# ---- the records that come with the project


def committed(pattern):
    folder = store.committed_folder()
    found = sorted(folder.glob(pattern))
    if not found:
        pytest.skip(f"no {pattern} in {folder} yet")
    return found


def test_every_committed_record_is_whole_small_and_named_after_its_config():
    for path in committed("*.json"):
        assert store.read(path) is not None  # checks hash and name
        assert path.stat().st_size <= store.MAX_RECORD_BYTES, path.name


def test_every_run_behind_a_figure_is_committed():
    assert {config.name for config in grids.ALL} <= {path.stem for path in committed("*.json")}


def test_committed_checkpoints_are_few_small_and_those_of_their_records():
    paths = committed("*.pt")
    assert len(paths) <= 6
    assert {path.stem for path in paths} == {config.name for config in grids.CHECKPOINTS}
    for path in paths:
        assert path.stat().st_size <= 1_000_000, path.name
        stated = store.read(path.with_suffix(".json"))["weights_sha256"]
        assert sha256(read_checked(path)) == stated


def test_arrays_come_back_to_the_bit():
    generator = np.random.default_rng(0)
    arrays = {
        "hits": generator.random((7, 13)) < 0.5,
        "share": generator.random(5).astype(np.float16),
        "entropies": generator.random(3).astype(np.float32),
        "empty": np.zeros((0, 4), bool),
    }
    packed = json.loads(json.dumps(store.pack_arrays(arrays)))
    found = store.unpack_arrays(packed)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array)


def test_hits_over_thresholds_shrink_to_a_small_part():
    places = np.random.default_rng(1).integers(0, 1000, (800, 2))
    hits = (np.arange(1000) >= places.min(1)[:, None]) & (np.arange(1000) < places.max(1)[:, None])
    assert len(store.pack_arrays({"hits": hits})["hits"]["zlib"]) < hits.size / 8 / 5
