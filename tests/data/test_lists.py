"""Folders, text lists, classes and the validation part."""

import hashlib

import pytest

from entreg_utils.data.lists import (
    check_split,
    choose_classes,
    find_folder,
    held_out,
    read_mapping,
    read_table,
)
from entreg_utils.files import StorageError

NAMES = ["ant", "bee", "cat", "dog"]


def test_a_table_is_read_with_its_types(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1 a/b.jpg 2.5\n\n2  c.jpg  3\n")
    assert read_table(path, "x", "", int, str, float) == [(1, "a/b.jpg", 2.5), (2, "c.jpg", 3.0)]
    assert read_mapping(path, "x", "", int, str, float) == {1: ("a/b.jpg", 2.5), 2: ("c.jpg", 3.0)}
    path.write_bytes(b"b,1\r\na,2\r\n")  # as Windows ends lines
    assert read_mapping(path, "x", "", str, int, separator=",") == {"b": 1, "a": 2}


@pytest.mark.parametrize("line", ["2 b.jpg", "two b.jpg 3", "2 b.jpg 3 4"])
def test_a_line_that_does_not_fit_is_named(tmp_path, line):
    path = tmp_path / "a.txt"
    path.write_text(f"1 a.jpg 2\n\n{line}\n")
    with pytest.raises(ValueError, match=r"a\.txt, line 3: .* is not number, path, number"):
        read_table(path, "x", "number, path, number", int, str, int)


def test_files_that_are_missing_or_no_text(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(StorageError, match=r"a\.txt is not there: python -m entreg_utils data cub"):
        read_table(path, "cub", "", str)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StorageError, match="is not a text file"):
        read_table(path, "cub", "", str)


def test_the_folder_is_found_below_the_root_or_is_it(tmp_path):
    home = tmp_path / "deep" / "set"
    home.mkdir(parents=True)
    with pytest.raises(StorageError, match="deep/set/list.txt is not there: .* data x fetches"):
        find_folder("x", tmp_path, ["deep/set", "set"], "list.txt")
    (home / "list.txt").write_text("")
    for root in (tmp_path, tmp_path / "deep", home):
        assert find_folder("x", str(root), ["deep/set", "set"], "list.txt") == home


def test_the_default_root_is_the_projects_data(tmp_path, monkeypatch):
    monkeypatch.setenv("ENTREG_ROOT", str(tmp_path))
    (tmp_path / "data" / "set").mkdir(parents=True)
    assert find_folder("x", None, ["set"], ".") == tmp_path / "data" / "set"


def test_classes_are_chosen_in_the_data_sets_order():
    assert choose_classes(None, NAMES) == [0, 1, 2, 3]
    assert choose_classes(2, NAMES) == [0, 1]
    assert choose_classes(["dog", "bee"], NAMES) == [1, 3]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (1, "classes=1 is outside 2..4"),
        (5, "classes=5 is outside 2..4"),
        (["ant", "eel"], "unknown class 'eel': known are ant, bee, cat, dog"),
        (["ant", "ant"], "two or more"),
        ("ant", "is one name"),
    ],
)
def test_bad_classes(classes, message):
    with pytest.raises(ValueError, match=message):
        choose_classes(classes, NAMES)


def test_unknown_split():
    with pytest.raises(ValueError, match="unknown split 'valid': use one of train, val, test"):
        check_split("valid")


def test_the_validation_part_is_stratified_and_depends_on_names_alone():
    ids = [f"{label}/{index}" for label in "ab" for index in range(6)]
    labels = [0] * 6 + [1] * 6
    chosen = held_out(ids, labels, 2)
    by_hash = sorted(ids[:6], key=lambda text: hashlib.sha256(text.encode()).hexdigest())
    assert {image for image in chosen if image.startswith("a")} == set(by_hash[:2])
    assert len(chosen) == 4
    assert held_out(ids[::-1], labels[::-1], 2) == chosen
    assert held_out(ids[:6], labels[:6], 2) == set(by_hash[:2])  # the other class is left out
    assert held_out(ids, labels, 3) > chosen


@pytest.mark.parametrize(
    ("per_class", "message"),
    [(0, "not a whole number above 0"), (True, "not a whole"), (3, "give 1..2"), (9, "give 1..2")],
)
def test_a_validation_part_that_cannot_be(per_class, message):
    with pytest.raises(ValueError, match=message):
        held_out(["a", "b", "c", "d", "e", "f", "g"], [0, 0, 0, 1, 1, 1, 1], per_class)
