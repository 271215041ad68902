"""Annotation files of every kind say the same of the same image; what is wrong is named."""

import json
import re

import pytest

from entreg_utils.data.annotations import LABELS, Annotation, read, read_of, whole_boxes
from entreg_utils.files import StorageError

VOC = """<annotation><filename>old.jpg</filename><size><width>{width}</width><height>20</height>
</size><object><name>cat</name><bndbox><xmin>{x0}</xmin><ymin>1</ymin><xmax>40</xmax><ymax>11</ymax>
</bndbox></object></annotation>"""


def coco(path, **changes):
    """A COCO file of two images; the second has no box."""
    whole = {
        "images": [
            {"id": 7, "file_name": "cat\\1.jpg", "width": 40, "height": 20},
            {"id": 8, "file_name": "cat/2.jpg"},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [2, 0, 38, 10]},
            {"id": 2, "image_id": 7, "category_id": 3, "bbox": [0, 0, 40, 20], "iscrowd": 1},
        ],
        "categories": [{"id": 3, "name": "cat"}],
    }
    path.write_text(json.dumps(whole | changes))
    return path


def voc(home, x0=3, width=40, text=VOC):
    """cat/1.xml: columns 3..40 and rows 1..11, counted from 1."""
    (home / "cat").mkdir(exist_ok=True)
    (home / "cat" / "1.XML").write_text(text.format(x0=x0, width=width))
    return home


def test_every_kind_says_the_same(tmp_path):
    lines = ["Image;x0;y0;x1;y1;class;width;height", "cat\\1.jpg;2;0;39;10;cat;40;20", ""]
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    expected = Annotation("cat/1.jpg", ((2, 0, 39, 10),), ("cat",), (40, 20))

    def said(path):
        found = read(path)
        return found["cat/1.jpg"]._replace(where=()), found["cat/1.jpg"].where, set(found)

    table = tmp_path / "a.csv"
    assert said(table) == (expected, (f"{table}, line 2",), {"cat/1.jpg"})
    whole = coco(tmp_path / "a.json")
    assert said(whole) == (expected, (f"{whole}, annotation 1",), {"cat/1.jpg", "cat/2.jpg"})
    assert read(whole)["cat/2.jpg"] == Annotation("cat/2.jpg")
    # VOC's last pixel is part of its box: column 40 counted from 1 is column 39
    (said_of_voc,) = read(voc(tmp_path)).values()
    where = f"{tmp_path / 'cat' / '1.XML'}, object 1"
    assert said_of_voc == expected._replace(image="cat/1", where=(where,))
    (tmp_path / "lists").mkdir()
    listed = tmp_path / "lists" / "localization.txt"
    listed.write_text("cat/1.jpg,2,0,39,10\ncat/1.jpg,0,0,5,5\n")
    (tmp_path / "lists" / "image_sizes.txt").write_text("cat/1.jpg,40,20\ncat/2.jpg,30,20\n")
    both = expected._replace(classes=(), boxes=((2, 0, 39, 10), (0, 0, 5, 5)))
    places = tuple(f"{listed}, line {n}" for n in (1, 2))
    assert said(tmp_path / "lists") == (both, places, {"cat/1.jpg", "cat/2.jpg"})
    assert said(listed) == said(tmp_path / "lists")


def test_other_spellings(tmp_path):
    assert read(voc(tmp_path, x0=0, width=0))["cat/1"][1:4] == (
        ((0, 0, 39, 10),),  # where tools count from 0
        ("cat",),
        None,
    )
    table = tmp_path / "labels.csv"
    text = "image,class\ncafe\u0301.jpg,cat\ncaf\u00e9.jpg, dog\n"
    table.write_text(text, "utf-16", newline="\r\n")
    assert read(table, LABELS)["caf\u00e9.jpg"][1:3] == ((), ("cat", "dog"))


CSV = "image,x0,y0,x1,y1"
ONE = {"id": 5, "image_id": 7, "category_id": 3, "bbox": [50, 0, 3, 4]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "image,x,y\n", "a.csv has no column 'x0': begin it with image,x0,y0,x1,y1"),
        ("a.csv", f"{CSV}\n1.jpg,1,2,three,4\n", "a.csv, line 2: give four numbers of a box"),
        ("a.csv", f"{CSV}\n1.jpg,1,2\n", "line 2: give four numbers"),
        ("a.csv", f"{CSV}\n1.jpg,1,2,inf,4\n", "line 2: give four numbers"),
        ("a.csv", f"{CSV}\n1.jpg,5,2,3,4\n", "line 2: the box 5,2,3,4 has no area: give x0 < x1"),
        ("a.csv", f"{CSV}\n,1,2,3,4\n", "line 2: there is no name of an image"),
        ("a.csv", f"{CSV},width,height\n1.jpg,1,2,3,4,a,b\n", "'a' x 'b' is no size in pixels"),
        ("a.csv", f"{CSV}\n" + "a" * 200000, "is no CSV"),
        ("a.txt", "1.jpg,1,2\n", "a.txt, line 1: give four numbers"),
        ("a.json", "{", "a.json is no JSON"),
        ("a.json", "[]", "a.json has no images: give COCO's images and annotations"),
        ("a.json", {"images": [{"id": 1}]}, "image 1: this is not as COCO has it ('file_name')"),
        ("a.json", {"images": [{"id": 1, "file_name": "a"}] * 2}, "image 1 is there twice"),
        ("a.json", {"annotations": [ONE | {"image_id": 9}]}, "annotation 5: no image, or no cat"),
        ("a.json", {"categories": [{"id": 4, "name": "dog"}]}, "1: no image, or no category, has"),
        ("a.json", {"categories": 3}, "a.json: this is not as COCO has it"),
        ("a.json", {"annotations": [ONE]}, "annotation 5: the box 50,0,39,4 has no area"),
        ("a.json", {"annotations": [ONE | {"bbox": None}]}, "annotation 5: give four numbers"),
        ("a.xml", "<annotation><object>", "1.XML is no XML"),
        ("a.xml", "<html></html>", "1.XML is no annotation of VOC: it begins with <html>"),
        ("a.xml", "<annotation><object/></annotation>", "1.XML, object 1: give four numbers"),
    ],
)
def test_content_that_does_not_fit_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    if name == "a.xml":
        path = voc(tmp_path, text=content)
    elif isinstance(content, dict):
        coco(path, **content)
    else:
        path.write_text(content)
    with pytest.raises(ValueError, match=re.escape(message)):
        read(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(StorageError, match="none.csv is not there: give a .csv of image,x0,y0,x1"):
        read(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="holds no .xml and no localization.txt: give a .csv of"):
        read(tmp_path)
    (tmp_path / "a.csv").write_bytes(f"{CSV}\nHündin.jpg".encode("latin-1"))
    with pytest.raises(StorageError, match="a.csv is no UTF-8 text: save it as UTF-8"):
        read(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("image,class\n1.jpg,\n")
    with pytest.raises(ValueError, match="a.csv, line 2: there is no class"):
        read(tmp_path / "a.csv", LABELS)


def test_boxes_in_whole_pixels():
    def boxes(*box, size=None):
        return whole_boxes(Annotation("1.jpg", (box,), (), size, ("a.csv, line 2",)), (40, 20))

    assert boxes(1, 2, 20.9, 20) == ((1, 2, 20, 19),)
    assert boxes(0, 0, 40, 5, size=(40, 20)) == ((0, 0, 39, 5),)
    assert whole_boxes(Annotation("1.jpg"), (40, 20)) == ()
    for box in ((9, 2, 41, 4), (-1, 2, 3, 4), (0.1, 0.2, 0.3, 0.4), (0, 0, 3, 20.5)):
        with pytest.raises(ValueError, match=r"a.csv, line 2: the box .* fit 1.jpg of 40x20 pix"):
            boxes(*box)
    assert boxes(1, 2, 79, 41, size=(80, 41)) == ((1, 2, 79, 40),)  # of which 40x20 was made
    with pytest.raises(
        ValueError, match="line 2: 1.jpg is said to have 20x40 pixels and has 40x20"
    ):
        boxes(1, 2, 3, 4, size=(20, 40))


def test_two_names_of_one_image(tmp_path):
    (tmp_path / "a.csv").write_text("image,x0,y0,x1,y1\n1.jpg,1,2,3,4\ncat/1.jpg,1,2,3,4\n")
    message = "a.csv: '1.jpg' and 'cat/1.jpg' are both cat/1.jpg: write its name in one way"
    with pytest.raises(ValueError, match=message):
        read_of({"cat/1.jpg"}, tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("image,x0,y0,x1,y1\n1.jpg,1,2,3,4\n")
    assert read_of({"cat/1.jpg"}, tmp_path / "a.csv")["cat/1.jpg"].boxes == ((1, 2, 3, 4),)
