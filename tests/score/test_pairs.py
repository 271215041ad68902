"""Maps and truth of every form are the same arrays; what is none is named in one sentence."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from entreg_utils.files import StorageError
from entreg_utils.score.pairs import find, read_right, read_truth

MAP = np.arange(12, dtype=np.uint8).reshape(3, 4)


def png(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


# ---- maps
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
    ((found, read),) = find(tmp_path).items()
    assert found == f"a é/{name.rpartition('.')[0]}"
    assert read().dtype == array.dtype and np.array_equal(read(), array)


def test_many_maps_of_one_archive_are_read_one_by_one(tmp_path):
    np.savez_compressed(tmp_path / "maps.npz", **{"a/1": MAP, "a/2.jpg": MAP * 2.0})
    found = find(tmp_path / "maps.npz")
    assert list(found) == ["a/1", "a/2.jpg"]
    assert np.array_equal(found["a/2.jpg"](), MAP * 2.0)


def damaged(path):
    np.savez(path, a=MAP)
    whole = path.read_bytes()
    path.write_bytes(whole[:90] + b"?" + whole[91:])  # inside the array


def two(path):
    np.save(path.with_name("1.npy"), MAP)
    png(path, MAP)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("1.npy", lambda p: np.save(p, MAP[None]), r"1.npy .* of shape \(1, 3, 4\): a map is an"),
        ("1.npy", lambda p: np.save(p, MAP[:0]), r"of shape \(0, 4\): a map is"),
        ("1.npy", lambda p: np.save(p, MAP.astype("U2")), "1.npy is <U2: give real numbers"),
        ("1.npy", lambda p: np.save(p, MAP.astype(object)), "Object arrays cannot be loaded"),
        ("1.npy", lambda p: p.write_bytes(npy(MAP)[:-4]), "1.npy cannot be read as a map"),
        ("1.npz", lambda p: np.savez(p, a=MAP, b=MAP), r"1.npz holds 2 arrays \(a, b\)"),
        ("1.npz", lambda p: p.write_bytes(b"PK no zip"), "1.npz cannot be read as .npz"),
        ("1.npz", damaged, "1.npz/a.npy cannot be read as a map"),
        ("1.png", lambda p: png(p, np.zeros((3, 4, 3), np.uint8)), r"\(3, 4, 3\).* grey picture"),
        ("1.png", lambda p: Image.new("P", (4, 3)).save(p), r"\(3, 4, 3\).* or a grey picture"),
        ("1.png", lambda p: p.write_bytes(b"GIF"), "1.png .*cannot be read as an image"),
        ("1.png", two, r"1\.npy and .*1\.png are both maps of 1: keep one"),
        ("1.txt", lambda p: p.touch(), "holds no maps: put .npy, .npz, .png files there"),
    ],
)
def test_what_is_no_map_is_named(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises((ValueError, StorageError), match=message):
        find(tmp_path)["1"]()


def test_where_no_maps_are_is_said(tmp_path):
    (tmp_path / "m.txt").touch()
    zipfile.ZipFile(tmp_path / "m.npz", "w").close()
    for name, message in {
        "m.txt": "m.txt is no folder of maps",
        "lost.npz": "lost.npz cannot be read as .npz",
        "m.npz": "m.npz holds no maps",
    }.items():
        with pytest.raises((ValueError, StorageError), match=message):
            find(tmp_path / name)


# ---- truth
HEAD = "image,x0,y0,x1,y1"
COCO = {
    "images": [{"id": 7, "file_name": "a/1.jpg", "width": 40, "height": 20}],
    "annotations": [{"id": 1, "image_id": 7, "bbox": [10, 5, 20, 10], "category_id": 3}],
    "categories": [{"id": 3, "name": "cat"}],
}
XML = """<annotation><filename>1.jpg</filename><size><width>40</width><height>20</height></size>
<object><name>cat</name><bndbox><xmin>11</xmin><ymin>6</ymin><xmax>31</xmax><ymax>16</ymax>
</bndbox></object></annotation>"""
LISTS = {
    "image_ids.txt": "a/1.jpg",
    "class_labels.txt": "a/1.jpg,0",
    "localization.txt": "a/1.jpg,10,5,30,15",
    "image_sizes.txt": "a/1.jpg,40,20",
    "names.csv": "value,name\n0,cat\n",
}
FORMS = {  # the same box of a 40x20 picture: files, what is given
    "sized": (
        {"boxes.csv": f"{HEAD},class,width,height\na/1.jpg,10,5,30,15,cat,40,20"},
        {"path": "boxes.csv"},
    ),
    "photographs": (
        {"boxes.csv": f"{HEAD},class\na/1.jpg,10,5,30,15,cat"},
        {"path": "boxes.csv", "images": "photos"},
    ),
    "coco": ({"boxes.json": json.dumps(COCO)}, {"path": "boxes.json"}),
    "voc": ({"xml/a/1.xml": XML}, {"path": "xml"}),
    "lists": (LISTS, {"path": "", "classes": "names.csv"}),
}


def written(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("form", FORMS)
def test_boxes_of_every_form_are_brought_to_the_size(tmp_path, form):
    files, given = FORMS[form]
    png(tmp_path / "photos" / "a" / "1.png", np.zeros((20, 40), np.uint8))
    home = written(tmp_path, files)
    if form == "lists":
        (home / "photos" / "a" / "1.png").unlink()
    truth = read_truth(**{key: home / at for key, at in given.items()}, size=(100, 80))
    (name,) = truth.images  # VOC's is without ending
    assert name.removesuffix(".jpg") == "a/1" and truth.label_of(name) == "cat"
    for kind in (None, "cat"):
        assert truth.boxes_of(name, kind).tolist() == [[20, 25, 60, 75]]  # 2 and 5 times as large
    assert truth.boxes_of("a/2.jpg", None).shape == (0, 4)


def test_boxes_that_say_their_class_are_those_of_a_map_of_that_class(tmp_path):
    rows = f"{HEAD},class,width,height\n1.jpg,0,0,4,4,cat,8,8\n1.jpg,4,4,6,6,dog,8,8"
    truth = read_truth(written(tmp_path, {"boxes.csv": rows}) / "boxes.csv", size=8)
    assert truth.label_of("1.jpg") is None
    assert truth.boxes_of("1.jpg", "dog").tolist() == [[4, 4, 6, 6]]
    assert truth.boxes_of("1.jpg", None).shape == (2, 4)


def test_masks_are_non_zero_or_a_value_of_the_table_and_ignored_where_it_is_said(tmp_path):
    png(tmp_path / "a" / "1.png", np.array([[0, 9], [9, 0]], np.uint8))
    png(tmp_path / "a" / "1_ignore.png", np.array([[0, 0], [9, 9]], np.uint8))
    truth = read_truth(tmp_path, size=2)
    assert truth.images == ("a/1",)
    mask, ignore = truth.mask_of("a/1", None)
    assert mask.tolist() == [[False, True], [True, False]]
    assert (ignore & ~mask).tolist() == [[False, False], [False, True]]
    (tmp_path / "classes.txt").write_text("value,name\n1,cat\n9,dog\n")
    image = Image.fromarray(np.array([[1, 9], [255, 0]], np.uint8))
    image.putpalette([0, 0, 0] * 256)  # every colour is black: values count, not colours
    image.save(tmp_path / "a" / "1.png")
    truth = read_truth(tmp_path, size=2)
    mask, ignore = truth.mask_of("a/1", "dog")
    assert mask.tolist() == [[False, True], [False, False]]
    assert ignore.tolist() == [[False, False], [True, True]]
    with pytest.raises(ValueError, match="its map into a folder of its class, CLASS/NAME"):
        truth.mask_of("a/1", None)


def test_public_lists_of_masks_unite_instances(tmp_path):
    home = written(
        tmp_path,
        {
            "image_ids.txt": "v/1.jpg",
            "class_labels.txt": "v/1.jpg,4",
            "localization.txt": "v/1.jpg,v/1_a.png,v/1_ignore.png\nv/1.jpg,v/1_b.png,",
        },
    )
    for name, array in {
        "1_a": [[255, 0], [0, 0]],
        "1_b": [[0, 255], [0, 0]],
        "1_ignore": [[255, 0], [255, 0]],
    }.items():
        png(home / "m" / "v" / f"{name}.png", np.array(array, np.uint8))
    truth = read_truth(home, masks=home / "m", size=2)
    mask, ignore = truth.mask_of("v/1.jpg", truth.label_of("v/1.jpg"))
    assert truth.label_of("v/1.jpg") == "4"
    assert mask.tolist() == [[True, True], [False, False]]
    assert ignore.tolist() == [[False, False], [True, False]]
    with pytest.raises(ValueError, match="say which folder they are in with --masks"):
        read_truth(home)


SIZED, MASKED = f"{HEAD},width,height", {"classes.txt": "1,cat"}


@pytest.mark.parametrize(
    ("files", "given", "message"),
    [
        ({"b.csv": f"{HEAD}\n1.jpg,0,0,4,4"}, {}, "how large 1.jpg is: give --images FOLD"),
        ({"b.csv": f"{HEAD}\n1.jpg,0,0,4,4"}, {"images": "."}, "no image is named '1.jpg'"),
        ({"b.csv": "image,x,y,w,h\n1.jpg,0,0,4,4"}, {}, "no column 'x0'"),
        ({"b.csv": f"{SIZED}\n1.jpg,0,0,9,4,8,8"}, {}, "does not fit 1.jpg of"),
        ({"b.csv": f"{HEAD}\n"}, {"size": 1}, "on a side of one pixel no box .* give size=224"),
        ({"b.csv": f"{HEAD}\n"}, {"size": (8, 1)}, "on a side of one pixel no box"),
        ({"b.csv": f"{HEAD}\n"}, {"classes": "c.txt"}, "c.txt names classes of masks: give --m"),
        ({"b.csv": f"{HEAD}\n"}, {"masks": "lost"}, "lost is no folder"),
        ({"b.csv": f"{HEAD}\n"}, {"masks": "."}, "holds no masks: put PNG files"),
        ({}, {"path": "lost.csv"}, "lost.csv is not there"),
        ({}, {"path": "."}, "holds no .xml and no localization.txt"),
        ({"classes.txt": "one,cat"}, {}, "give value,name, such as 1,cat"),
        ({"classes.txt": "value,name"}, {}, "classes.txt names no class: give each a row"),
        ({"classes.txt": "0,cat"}, {}, r"no value in 1..254 of the class 'cat'"),
        (MASKED, {}, "1.png is no grey or palette image of the values 0, 1, 255"),
    ],
)
def test_truth_that_cannot_be_is_refused_in_one_sentence(tmp_path, files, given, message):
    if "classes.txt" in files:
        png(tmp_path / "1.png", np.array([[0, 1], [2, 0]], np.uint8))
    written(tmp_path, files)
    given = {"path": "b.csv" if "b.csv" in files else "."} | given
    given = {key: tmp_path / to if key != "size" else to for key, to in given.items()}
    with pytest.raises((ValueError, StorageError), match=message):
        read_truth(**given).mask_of("1", "cat")


# ---- predictions
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,class,probability\na,cat,1", "has no column 'class_1': begin it with image"),
        ("image,class_1\na,cat", r"has no row for b.jpg \(1 of 2 images\), or nothing says its"),
        ("image,class_1\na,0\nb,1", "the class '0' is none of the true ones, such as 'cat'"),
        ("image,class_1\na,cat\nb,dog\nx/b,cat", "'b' and 'x/b' are both b.jpg"),
        ("", "has no column 'image'"),
        ("image,class_1\na,c\xe4t", "is no UTF-8 text"),
        (None, "is not there: give predictions.csv"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(tmp_path, text, message):
    rows = f"{SIZED},class\na.jpg,0,0,4,4,8,8,cat\nb.jpg,0,0,4,4,8,8,dog"
    truth = read_truth(written(tmp_path, {"boxes.csv": rows}) / "boxes.csv")
    if text is not None:
        (tmp_path / "predictions.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises((ValueError, StorageError), match=message):
        read_right(tmp_path / "predictions.csv", ("a.jpg", "b.jpg"), truth)
