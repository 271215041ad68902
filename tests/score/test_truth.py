"""Truth of every form gives the boxes, masks and classes that were written down."""

import json

import numpy as np
import pytest
from PIL import Image

from entreg_utils.files import StorageError
from entreg_utils.score.truth import read_truth


def picture(path, array, palette=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(array, np.uint8))
    if palette:
        image.putpalette([0, 0, 0] * 256)  # every colour is black: values count, not colours
    image.save(path)


COCO = {
    "images": [{"id": 7, "file_name": "a/1.jpg", "width": 40, "height": 20}],
    "annotations": [{"id": 1, "image_id": 7, "bbox": [10, 5, 20, 10], "category_id": 3}],
    "categories": [{"id": 3, "name": "cat"}],
}
XML = """<annotation><filename>1.jpg</filename><size><width>40</width><height>20</height></size>
<object><name>cat</name><bndbox><xmin>11</xmin><ymin>6</ymin><xmax>31</xmax><ymax>16</ymax>
</bndbox></object></annotation>"""


def tell(folder, kind):
    """The same box of a 40x20 picture in a file of some kind; returns what read_truth is given."""
    box, given = "a/1.jpg,10,5,30,15", {}
    if kind == "coco":
        (folder / "boxes.json").write_text(json.dumps(COCO))
        return folder / "boxes.json", given
    if kind == "voc":
        (folder / "xml" / "a").mkdir(parents=True)
        (folder / "xml" / "a" / "1.xml").write_text(XML)
        return folder / "xml", given
    if kind == "lists":
        lines = {"image_ids": "a/1.jpg", "class_labels": "a/1.jpg,0", "localization": box}
        for name, line in (lines | {"image_sizes": "a/1.jpg,40,20"}).items():
            (folder / f"{name}.txt").write_text(line)
        (folder / "names.csv").write_text("value,name\n0,cat\n")
        return folder, {"classes": folder / "names.csv"}
    header, size = "image,x0,y0,x1,y1,class", ""
    if kind == "sized":
        header, size = f"{header},width,height", ",40,20"
    else:
        picture(folder / "photos" / "a" / "1.png", np.zeros((20, 40)))
        given = {"images": folder / "photos"}
    (folder / "boxes.csv").write_text(f"{header}\n{box},cat{size}\n")
    return folder / "boxes.csv", given


@pytest.mark.parametrize("kind", ["sized", "photographs", "coco", "voc", "lists"])
def test_boxes_of_every_form_are_brought_to_the_size(tmp_path, kind):
    path, given = tell(tmp_path, kind)
    truth = read_truth(path, size=(100, 80), **given)  # twice as wide, five times as high
    (name,) = truth.images  # VOC's is without ending
    assert name.removesuffix(".jpg") == "a/1" and truth.labels == {name: "cat"}
    assert truth.boxes_of(name, None).tolist() == [[20, 25, 60, 75]]
    assert truth.boxes_of("a/2.jpg", None).shape == (0, 4)


def test_boxes_that_say_their_class_are_those_of_a_map_of_that_class(tmp_path):
    rows = "image,x0,y0,x1,y1,class,width,height\n1.jpg,0,0,4,4,cat,8,8\n1.jpg,4,4,6,6,dog,8,8"
    truth = read_truth(boxes(tmp_path, rows), size=8)
    assert truth.labels == {} and truth.kinds == {"1.jpg": ("cat", "dog")}
    assert truth.boxes_of("1.jpg", "dog").tolist() == [[4, 4, 6, 6]]
    assert truth.boxes_of("1.jpg", None).shape == (2, 4)


def test_masks_are_non_zero_or_a_value_of_the_table_and_ignored_where_it_is_said(tmp_path):
    picture(tmp_path / "a" / "1.png", [[0, 9], [9, 0]])
    picture(tmp_path / "a" / "1_ignore.png", [[0, 0], [9, 9]])
    truth = read_truth(tmp_path, size=2)
    assert truth.images == ("a/1",)
    mask, ignore = truth.mask_of("a/1", None)
    assert mask.tolist() == [[False, True], [True, False]]
    assert (ignore & ~mask).tolist() == [[False, False], [False, True]]
    (tmp_path / "classes.txt").write_text("value,name\n1,cat\n9,dog\n")
    picture(tmp_path / "a" / "1.png", [[1, 9], [255, 0]], palette=True)
    truth = read_truth(tmp_path, size=2)
    mask, ignore = truth.mask_of("a/1", "dog")
    assert mask.tolist() == [[False, True], [False, False]]
    assert ignore.tolist() == [[False, False], [True, True]]
    with pytest.raises(ValueError, match="its map into a folder of its class, CLASS/NAME"):
        truth.mask_of("a/1", None)


def test_public_lists_of_masks_unite_instances(tmp_path):
    for name, line in {
        "image_ids": "v/1.jpg",
        "class_labels": "v/1.jpg,4",
        "localization": "v/1.jpg,v/1_a.png,v/1_ignore.png\nv/1.jpg,v/1_b.png,",
    }.items():
        (tmp_path / f"{name}.txt").write_text(line)
    picture(tmp_path / "m" / "v" / "1_a.png", [[255, 0], [0, 0]])
    picture(tmp_path / "m" / "v" / "1_b.png", [[0, 255], [0, 0]])
    picture(tmp_path / "m" / "v" / "1_ignore.png", [[255, 0], [255, 0]])
    truth = read_truth(tmp_path, masks=tmp_path / "m", size=2)
    mask, ignore = truth.mask_of("v/1.jpg", truth.labels["v/1.jpg"])
    assert truth.labels == {"v/1.jpg": "4"}
    assert mask.tolist() == [[True, True], [False, False]]
    assert ignore.tolist() == [[False, False], [True, False]]
    with pytest.raises(ValueError, match="say which folder they are in with --masks"):
        read_truth(tmp_path)


def boxes(folder, text):
    (folder / "boxes.csv").write_text(text)
    return folder / "boxes.csv"


def masked(folder, table="1,cat", codes=((0, 1), (2, 0))):
    picture(folder / "1.png", codes)
    (folder / "classes.txt").write_text(table)
    return folder


HEAD = "image,x0,y0,x1,y1"
BOX, SIZED = f"{HEAD}\n1.jpg,0,0,4,4", f"{HEAD},width,height"


@pytest.mark.parametrize(
    ("make", "given", "message"),
    [
        (lambda f: boxes(f, BOX), {}, "how large 1.jpg is: give --images FOLD"),
        (lambda f: boxes(f, BOX), {"images": "."}, "no image is named '1.jpg'"),
        (lambda f: boxes(f, "image,x,y,w,h\n1.jpg,0,0,4,4"), {}, "no column 'x0'"),
        (lambda f: boxes(f, f"{SIZED}\n1.jpg,0,0,9,4,8,8"), {}, "does not fit 1.jpg of"),
        (
            lambda f: boxes(f, f"{SIZED}\n1.jpg,0,0,4,4,8,8"),
            {"classes": "lost.txt"},
            "lost.txt names classes of masks, and there are no masks: leave it out",
        ),
        (lambda f: f / "lost.csv", {}, "lost.csv is not there"),
        (lambda f: f, {}, "holds no .xml and no localization.txt"),
        (lambda f: boxes(f, f"{HEAD}\n"), {"masks": "lost"}, "lost is no folder"),
        (lambda f: boxes(f, f"{HEAD}\n"), {"masks": "."}, "holds no masks: put PNG files"),
        (lambda f: masked(f, "one,cat"), {}, "give value,name, such as 1,cat"),
        (lambda f: masked(f, "value,name"), {}, "classes.txt names no class: give each a row"),
        (lambda f: masked(f, "0,cat"), {}, r"no value in 1..254 of the class 'cat'"),
        (lambda f: masked(f), {}, "1.png is no grey or palette image of the values 0, 1, 255"),
    ],
)
def test_truth_that_cannot_be_is_refused_in_one_sentence(tmp_path, make, given, message):
    with pytest.raises((ValueError, StorageError), match=message):
        truth = read_truth(make(tmp_path), **{name: tmp_path / to for name, to in given.items()})
        truth.mask_of("1", "cat")
