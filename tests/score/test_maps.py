"""Maps of every form are the same array, and what is no map is named in one sentence."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from entreg_utils.files import StorageError
from entreg_utils.score.maps import find

MAP = np.arange(12, dtype=np.uint8).reshape(3, 4)


def png(path, array):
    Image.fromarray(array).save(path)


@pytest.mark.parametrize(
    ("name", "array", "write"),
    [
        ("1.npy", MAP.astype(np.float16), np.save),
        ("1.x.npy", MAP.astype(np.int64), np.save),
        ("1.NPY", MAP, lambda path, array: path.write_bytes(npy(array))),
        ("1.npz", MAP / 3, lambda path, array: np.savez(path, anything=array)),
        ("1.png", MAP, png),
        ("1.png", MAP.astype(np.uint16) * 5000, png),
        ("1.jpg.npy", MAP > 3, np.save),
    ],
)
def test_one_map_a_file_of_any_number_type(tmp_path, name, array, write):
    (tmp_path / "a é").mkdir()
    write(tmp_path / "a é" / name, array)
    (tmp_path / "a é" / "notes.txt").write_text("no map")
    found = find(tmp_path)
    assert list(found) == [f"a é/{name.rpartition('.')[0]}"]
    read = found[f"a é/{name.rpartition('.')[0]}"]()
    assert read.dtype == array.dtype and np.array_equal(read, array)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_many_maps_of_one_archive_are_read_one_by_one(tmp_path):
    np.savez_compressed(tmp_path / "maps.npz", **{"a/1": MAP, "a/2.jpg": MAP * 2.0})
    found = find(tmp_path / "maps.npz")
    assert list(found) == ["a/1", "a/2.jpg"]
    assert np.array_equal(found["a/2.jpg"](), MAP * 2.0)


def damaged(path):
    np.savez(path, a=MAP)
    whole = path.read_bytes()
    path.write_bytes(whole[:90] + b"?" + whole[91:])  # inside the array


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("1.npy", lambda p: np.save(p, MAP[None]), r"of shape \(1, 3, 4\): a map is an array"),
        ("1.npy", lambda p: np.save(p, MAP[:0]), r"of shape \(0, 4\): a map is"),
        ("1.npy", lambda p: np.save(p, MAP.astype("U2")), "is <U2 of shape"),
        ("1.npy", lambda p: np.save(p, MAP.astype(object)), "are never unpickled"),
        ("1.npy", lambda p: p.write_bytes(b""), "cannot be read as a map"),
        ("1.npy", lambda p: p.write_bytes(npy(MAP)[:-4]), "cannot be read as a map"),
        ("1.npz", lambda p: np.savez(p, a=MAP, b=MAP), r"holds 2 arrays \(a, b\)"),
        ("1.npz", lambda p: np.savez(p, a=MAP.astype(object)), "1.npz/a.npy holds Python objects"),
        ("1.npz", lambda p: p.write_bytes(b"PK no zip"), "cannot be read as .npz"),
        ("1.npz", damaged, "1.npz/a.npy cannot be read as a map"),
        ("1.png", lambda p: png(p, np.zeros((3, 4, 3), np.uint8)), "mode RGB, not a map"),
        ("1.png", lambda p: Image.new("P", (4, 3)).save(p), "mode P, not a map"),
        ("1.png", lambda p: p.write_bytes(b"GIF"), "cannot be read as an image"),
    ],
)
def test_what_is_no_map_is_named(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises((ValueError, StorageError), match=message) as caught:
        find(tmp_path)["1"]()
    assert name in str(caught.value)


def two(folder):
    np.save(folder / "1.npy", MAP)
    png(folder / "1.png", MAP)


@pytest.mark.parametrize(
    ("make", "place", "message"),
    [
        (lambda folder: None, "", "holds no maps: put .npy, .npz, .png files there"),
        (two, "", r"1\.npy and .*1\.png are both maps of 1: keep one"),
        (lambda folder: None, "lost", "lost is no folder of maps"),
        (lambda folder: (folder / "m.txt").touch(), "m.txt", "m.txt is no folder of maps"),
        (lambda folder: None, "lost.npz", "cannot be read as .npz"),
        (lambda folder: zipfile.ZipFile(folder / "m.npz", "w").close(), "m.npz", "holds no maps"),
    ],
)
def test_where_no_maps_are_is_said(tmp_path, make, place, message):
    make(tmp_path)
    with pytest.raises((ValueError, StorageError), match=message):
        find(tmp_path / place)
