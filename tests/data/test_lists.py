"""Folders, text lists, names, classes and the validation part."""

import hashlib

import pytest

from entreg_utils.data.lists import (
    Column,
    find_folder,
    held_out,
    match,
)
from entreg_utils.data.photos import choose_classes
from entreg_utils.files import StorageError

NAMES = ["ant", "bee", "cat", "dog"]


def test_a_table_is_read_with_its_types(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1 a/b.jpg 2.5\n\n2  c.jpg  3\n")
    assert Column(path, "x", "", int, str, float) == {1: ("a/b.jpg", 2.5), 2: ("c.jpg", 3.0)}
    for coding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_bytes("b,1\r\na,2\r\nb,3\r\n".encode(coding))  # as Windows has it
        assert Column(path, "x", "", str, int, separator=",") == {"b": 3, "a": 2}
    many = Column(path, "x", "", str, int, separator=",", several=True)
    assert many == {"b": [1, 3], "a": [2]}
    with pytest.raises(
        ValueError, match="a.txt says nothing about c: add it; python -m entreg_utils data x fetch"
    ):
        many["c"]


def test_files_and_lines_that_do_not_fit_are_named(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(StorageError, match=r"a\.txt is not there: python -m entreg_utils data cub"):
        Column(path, "cub", "", str)
    for line in ("2 b.jpg", "two b.jpg 3", "2 b.jpg 3 4"):
        path.write_text(f"1 a.jpg 2\n\n{line}\n")
        said = r"a\.txt, line 3: .* is not number, path, number: correct it; python -m"
        with pytest.raises(ValueError, match=said):
            Column(path, "x", "number, path, number", int, str, int)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StorageError, match="is no UTF-8 text: save it as UTF-8"):
        Column(path, "cub", "", str)


def test_the_folder_is_found_below_the_root_or_is_it(tmp_path, monkeypatch):
    home = tmp_path / "deep" / "set"
    home.mkdir(parents=True)
    with pytest.raises(StorageError, match="deep/set/list.txt is not there: .* data x fetches"):
        find_folder("x", "val", tmp_path, ["deep/set", "set"], "list.txt")
    (home / "list.txt").write_text("")
    for root in (tmp_path, tmp_path / "deep", home):
        assert find_folder("x", "val", str(root), ["deep/set", "set"], "list.txt") == home
    monkeypatch.setenv("ENTREG_ROOT", str(tmp_path))
    home.rename(tmp_path / "data")
    assert find_folder("x", "val", None, ["set"], "list.txt") == tmp_path / "data"


def test_classes_are_chosen_in_the_data_sets_order():
    assert choose_classes(None, NAMES) == [0, 1, 2, 3]
    assert choose_classes(2, NAMES) == [0, 1]
    assert choose_classes(["dog", "bee"], NAMES) == [1, 3]
    for classes, message in (
        (1, "classes=1: give a whole number in 2..4"),
        (5, "classes=5: give a whole number in 2..4"),
        (["ant", "eel"], "unknown class 'eel': known are ant, bee, cat, dog"),
        (["ant", "ant"], "two or more"),
        ("ant", "classes='ant': give a list"),
    ):
        with pytest.raises(ValueError, match=message):
            choose_classes(classes, NAMES)


def test_the_validation_part_is_stratified_and_depends_on_names_alone():
    ids = [f"{label}/{index}" for label in "ab" for index in range(6)]
    labels = [0] * 6 + [1] * 6
    label_of = dict(zip(ids, labels, strict=True))
    chosen = held_out(label_of, 2)
    by_hash = sorted(ids[:6], key=lambda text: hashlib.sha256(text.encode()).hexdigest())
    assert {image for image in chosen if image.startswith("a")} == set(by_hash[:2])
    assert len(chosen) == 4
    assert held_out(dict(reversed(label_of.items())), 2) == chosen
    assert held_out(dict.fromkeys(ids[:6], 0), 2) == set(by_hash[:2])  # without the other class
    assert held_out(label_of, 3) > chosen
    for count in (0, 6, 9):
        with pytest.raises(ValueError, match=f"val_per_class={count}: give a whole number in 1..5"):
            held_out(label_of, count)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("cat/1.jpg", "cat/1.jpg"),
        ("1.jpg", None),  # two
        ("2.jpg", "cat/2.jpg"),
        ("2", "cat/2.jpg"),
        ("cat/1", "cat/1.jpg"),
        ("cat/1.npy", "cat/1.jpg"),
        ("/home/all/cat/1.JPG", "cat/1.jpg"),
        ("birds/2.jpg", "birds/2.jpg"),
        ("birds/3.jpg", "3.jpg"),
        ("dog/2.jpg", None),  # that of cats is another
        ("v1.5", "v1.5.png"),
        ("v1.5.npy", "v1.5.png"),
        ("v1", None),
    ],
)
def test_names_that_fit_one_image(name, place):
    known = ["cat/1.jpg", "dog/1.jpg", "cat/2.jpg", "birds/2.jpg", "3.jpg", "v1.5.png"]
    if name in ("2.jpg", "2"):
        known.remove("birds/2.jpg")
    if place:
        assert match([name], known) == {name: place}
    else:
        with pytest.raises(ValueError, match=f"named '{name}': give its path in the folder, such"):
            match([name], known)


def test_names_that_are_no_image_can_be_collected_but_not_those_that_fit_several():
    known, strangers = ("a/1.jpg", "b/1.jpg", "b/2.jpg"), []
    assert match(["b/1", "x", "2.npy", "y"], known, strangers) == {
        "b/1": "b/1.jpg",
        "2.npy": "b/2.jpg",
    }
    assert strangers == ["x", "y"]
    with pytest.raises(ValueError, match="several images"):
        match(["1"], known, strangers)
