"""``data`` on the command line: paints once, checks each time, says where and with what licence."""

import io
import os

import numpy as np
import pytest

from entreg_utils import __main__ as cli
from entreg_utils import data
from entreg_utils.data import command
from entreg_utils.data.toy import digest, generate
from entreg_utils.data.world import SPLITS, World
from entreg_utils.files import StorageError, write_checked

WORDS = ["data", "toy", "--num-train", "6", "--image-size", "32", "--num-classes", "3"]
KNOBS = {"image_size": 32, "num_classes": 3}


@pytest.fixture(autouse=True)
def small_splits(monkeypatch):
    monkeypatch.setitem(SPLITS, "val", 4)
    monkeypatch.setitem(SPLITS, "test", 5)


def call(folder, *words):
    return cli.main([*WORDS, "--root", str(folder), *words])


def test_paints_caches_and_says_so(tmp_path, capsys):
    assert call(tmp_path) == 0
    printed = capsys.readouterr().out
    assert "train      6 images, 32x32, 3 classes; sha256 " in printed
    for split, count in {"train": 6, "val": 4, "test": 5}.items():
        assert digest(generate(World(**KNOBS), split, count)) in printed
    size = sum(path.stat().st_size for path in tmp_path.glob("*.npz")) / 1e6
    assert f"cached in {tmp_path} (3 of 3 files written now; {size:.1f} MB in all)" in printed
    assert "licence: drawn by this package, MIT" in printed


def test_a_second_call_writes_nothing(tmp_path, capsys):
    call(tmp_path)
    first = capsys.readouterr().out
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert call(tmp_path) == 0
    assert capsys.readouterr().out == first.replace(
        "3 of 3 files written now", "nothing new to write"
    )
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_knobs_are_options(tmp_path, capsys):
    assert call(tmp_path, "--part-visibility", "0", "--seed", "4", "--body", "0.5") == 0
    world = World(part_visibility=0.0, seed=4, body=0.5, **KNOBS)
    assert digest(generate(world, "test", 5)) in capsys.readouterr().out


def test_the_fingerprint_is_over_all_arrays():
    painted = data.load("toy", "val", cache=False, **KNOBS)
    before = command.fingerprint(painted)
    assert before == digest(generate(World(**KNOBS), "val", 4))
    painted.parts[0, 0, 0] ^= True
    assert command.fingerprint(painted) != before


@pytest.mark.parametrize("name", ["images", "labels", "cues", "boxes", "masks", "parts"])
def test_another_painters_cache_is_refused(name):
    cached, painted = (data.load("toy", "val", cache=False, **KNOBS) for _ in range(2))
    command.check(cached, painted)
    getattr(cached, name).view(-1)[:1].logical_not_()  # one entry, zero or not, becomes another
    with pytest.raises(StorageError, match=f"the {name} of the cached val split are not"):
        command.check(cached, painted)


def test_a_cache_that_is_whole_but_wrong_ends_in_one_sentence(tmp_path, capsys):
    call(tmp_path)
    path = next(tmp_path.glob("toy-test-*.npz"))
    arrays = generate(World(seed=9, **KNOBS), "test", 5)  # another world under this one's name
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_checked(path, buffer.getvalue())
    capsys.readouterr()
    assert call(tmp_path) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: the images of the cached test split") and "delete" in error


def test_a_damaged_cache_is_painted_again_with_a_note(tmp_path, capsys):
    call(tmp_path)
    first = capsys.readouterr().out
    path = next(tmp_path.glob("toy-val-*.npz"))
    path.write_bytes(path.read_bytes()[:-1])
    assert call(tmp_path) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith(f"note: painting the embedded world again: {path} is damaged")
    assert captured.err.count("\n") == 1
    assert captured.out.splitlines()[1:4] == first.splitlines()[1:4]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path, capsys):
    place = tmp_path / "file"
    place.write_text("no folder")
    assert call(place) == 1
    assert "error: the embedded world is not cached: cannot" in capsys.readouterr().err


def test_bad_knobs_and_no_name(tmp_path, capsys):
    assert call(tmp_path, "--body", "2") == 1
    captured = capsys.readouterr()
    assert captured.err == "error: body=2.0 is not a probability: give a number in 0..1\n"
    assert captured.out == "" and os.listdir(tmp_path) == []
    assert cli.main(["data"]) == 1
    assert "name a data set, one of toy" in capsys.readouterr().err


def test_list_names_what_can_be_loaded(capsys):
    assert cli.main(["data", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(data.DATASETS)
    assert set(command.ABOUT) == set(command.LICENCE) == set(data.DATASETS)
    assert set(command.HELP) == set(World.__dataclass_fields__)
