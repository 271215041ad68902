"""``folder:PATH``: splits, names, boxes and masks of somebody's own photographs."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from entreg_utils import data
from entreg_utils.files import StorageError

SPLITS = ("train", "val", "test")


def picture(path, shade=90, **options):
    """A photograph of 40x20; its left half is darker."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((20, 40, 3), shade, np.uint8)
    pixels[:, :20] //= 2
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def home(tmp_path):
    """Two classes of ten, in no split."""
    for name in ("cat", "Hündin und Welpe"):
        for index in range(10):
            picture(tmp_path / "own" / name / f"{index}.jpg", shade=20 * index + 9)
    return tmp_path / "own"


def load(home, split, **options):
    return data.load(f"folder:{home}", split, **({"cache": False, "size": 32} | options))


def load_all(home, **options):
    """What is known of every image: {name: (label, boxes, mask, ignore)} at 4x4."""
    known = {}
    for split in SPLITS:
        own = load(home, split, **options)
        boxes, masks = own.boxes_at(40), own.masks_at(4)
        for row, (image, label) in enumerate(own.pairs.tolist()):
            where = image if boxes is None or len(boxes) < len(own.pairs) else row
            box = [] if boxes is None else boxes[where].tolist()
            mask = (None, None) if masks is None else masks[row]
            known[own.image_ids[image], own.class_names[label]] = (box, *mask)
    return known


def draw(path, codes, mode="L"):
    """A mask of 40x20 whose quarters, row by row, have four values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.kron(np.reshape(codes, (2, 2)), np.ones((10, 20))).astype(np.uint8)
    image = Image.fromarray(blocks)
    if mode == "P":
        image = image.convert("P")
        image.putdata(blocks.reshape(-1).tolist())
    image.save(path)


def write_lines(path, *lines):
    path.write_text("\n".join(lines), "utf-8")


def quarters(mask):
    return mask[::2, ::2].astype(int).reshape(-1).tolist()


def test_what_has_no_split_is_held_out_by_names_alone(home):
    splits = {split: load(home, split) for split in SPLITS}
    assert {name: len(own) for name, own in splits.items()} == {"train": 12, "val": 4, "test": 4}
    assert len({image for own in splits.values() for image in own.image_ids}) == 20
    assert splits["val"].labels.tolist() == [0, 0, 1, 1]
    assert splits["val"].class_names == ("Hündin und Welpe", "cat")
    assert splits["val"].source == "val and test held out: 0.2 of each class, seed 0"
    assert splits["val"].image_ids == load(home, "val").image_ids
    assert splits["val"].image_ids != load(home, "val", seed=1).image_ids
    assert len(load(home, "train", hold_out=0.1)) == 16
    moved = home.rename(home.with_name("elsewhere"))
    assert load(moved, "val").image_ids == splits["val"].image_ids
    assert load("elsewhere", "val", root=moved.parent).image_ids == splits["val"].image_ids


def test_split_folders_are_taken_as_they_are(tmp_path):
    for split, count in (("train", 4), ("test", 2)):
        for name in "ab":
            for index in range(count):
                picture(tmp_path / split / name / f"{split}{index}.PNG")
    assert [len(load(tmp_path, split)) for split in SPLITS] == [6, 2, 4]
    assert load(tmp_path, "train").source == "val held out: 0.2 of each class, seed 0"
    picture(tmp_path / "val" / "b" / "v.jpeg")
    assert [len(load(tmp_path, split)) for split in SPLITS] == [8, 1, 4]
    assert load(tmp_path, "val").labels.tolist() == [1]
    assert load(tmp_path, "val").source == "own folders"
    picture(tmp_path / "val" / "c" / "v.jpeg")
    with pytest.raises(ValueError, match="train has no class 'c', and val or test has: remove it"):
        load(tmp_path, "train")


def test_boxes_are_read_as_spreadsheets_write_them(home):
    lines = ["image;x0;y0;x1;y1;by", "cat\\6.jpg;1;2;20.9;20;me", "cat/6.jpg;0;0;40;5;me", ""]
    lines.insert(1, "7.jpg;1;2;3;4;solo")  # a bare name will do where it is the only one
    (home / "Hündin und Welpe" / "7.jpg").unlink()
    (home / "boxes.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert sum(boxes != [] for boxes, *_ in load_all(home).values()) == 2
    own = load(home, "train", hold_out=0.1, boxes=home / "boxes.csv")
    row = own.image_ids.index("cat/6.jpg")
    assert own[row].boxes.tolist() == [[1, 2, 20, 19], [0, 0, 39, 5]]
    assert own.boxes_at(20)[row].tolist() == [[0, 2, 10, 19], [0, 0, 19, 5]]
    # the others have none, and keep their place
    others = [boxes for index, boxes in enumerate(own.boxes_at(20)) if index != row]
    assert sorted(len(boxes) for boxes in others) == [0] * 13 + [1]
    (home / "boxes.csv").unlink()
    assert load(home, "train").boxes_at(20) is None


def test_masks_beside_the_photographs_or_in_one_tree(home):
    mask = np.zeros((20, 40), np.uint8)
    mask[:10, :20] = 255
    for path in (home / "cat" / "masks" / "1.png", home / "masks" / "cat" / "2.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    found = []
    for split in SPLITS:
        own = load(home, split)
        masks = own.masks_at(4)
        for row, image in enumerate(own.image_ids):
            if image in ("cat/1.jpg", "cat/2.jpg"):
                inside, ignore = masks[row]
                assert inside.astype(int).tolist() == [[1, 1, 0, 0]] * 2 + [[0] * 4] * 2
                assert not ignore.any() and own[row].mask.sum() == 200
                found.append(image)
            elif masks is not None:  # no mask: no pixel counts
                assert not masks[row][0].any() and masks[row][1].all() and own[row].mask is None
    assert sorted(found) == ["cat/1.jpg", "cat/2.jpg"]
    assert load(home, "val").class_names == ("Hündin und Welpe", "cat")  # masks is no class
    Image.fromarray(mask[:, :30]).save(home / "cat" / "masks" / "1.png")
    with pytest.raises(ValueError, match="masks/1.png has 30x20 pixels and its photograph 40x20"):
        for split in SPLITS:
            load(home, split)


def test_photographs_are_turned_upright_and_boxes_are_of_what_viewers_show(home):
    exif = Image.Exif()
    exif[274] = 6  # viewers turn it by a quarter, clockwise: the left half comes to the top
    for name in ("train/a", "train/b", "val/a", "test/a"):
        picture(home / "turned" / name / "1.jpg", exif=exif, quality=95)
    write_lines(home / "turned" / "boxes.csv", BOXES, "test/a/1.jpg,0,0,20,20")
    test = load(home / "turned", "test")
    assert test.sizes.tolist() == [[20, 40]]
    assert test[0].image.shape == (3, 40, 20) and test[0].boxes.tolist() == [[0, 0, 19, 20]]
    assert test[0].image[:, :18].max() < 0.25 < test[0].image[:, 22:].min()
    assert test.images[0, :, :14].max() < 64 < test.images[0, :, 18:].min()


def test_what_is_no_photograph(home):
    (home / "cat" / "Thumbs.db").write_text("")
    (home / "cat" / ".hidden.jpg").write_text("")
    with pytest.warns(UserWarning, match="Thumbs.db is left out: photographs end in"):
        assert len(load(home, "train")) == 12


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(StorageError, match="none is no folder: give folder:PATH"):
        load(tmp_path / "none", "train")
    with pytest.raises(ValueError, match="has no class folders with photographs: put them in"):
        load(tmp_path, "train")
    picture(tmp_path / "a" / "1.jpg")
    with pytest.raises(ValueError, match="has 1 class: give two or more"):
        load(tmp_path, "train")
    picture(tmp_path / "b" / "1.jpg")
    with pytest.raises(ValueError, match="class 'a' has 1 photograph, too few to hold out test"):
        load(tmp_path, "train")
    for share in (0, 0.5, -1):
        with pytest.raises(ValueError, match="hold_out=.*: give a share of each class"):
            load(tmp_path, "train", hold_out=share)
    with pytest.raises(ValueError, match="'sizes': folder:.* has size, classes, cache, boxes"):
        load(tmp_path, "train", sizes=3)


def test_an_accent_is_the_same_in_every_spelling(tmp_path):
    composed, apart = "caf\u00e9", "cafe\u0301"  # as a Mac's file system spells it
    for name in SPLITS:
        picture(tmp_path / name / "a" / f"{apart}.jpg")
        picture(tmp_path / name / "b" / "1.jpg")
    (tmp_path / "boxes.csv").write_text(f"image,x0,y0,x1,y1\ntrain/a/{composed}.jpg,1,2,3,4\n")
    train = load(tmp_path, "train")
    assert train.image_ids[0] == f"train/a/{composed}.jpg" and os.path.exists(train.paths[0])
    assert train[0].boxes.tolist() == [[1, 2, 3, 4]]


def write_coco(path, boxes, names=("cat", "dog"), size=(40, 20)):
    """{image: [(class, bbox)]} as COCO has it."""
    images, rows = [], []
    for number, (name, own) in enumerate(boxes.items()):
        images.append({"id": number, "file_name": name, "width": size[0], "height": size[1]})
        rows += [{"image_id": number, "category_id": names.index(c), "bbox": b} for c, b in own]
    kinds = [{"id": index, "name": name} for index, name in enumerate(names)]
    whole = {"images": images, "annotations": rows, "categories": kinds}
    path.write_text(json.dumps(whole))


def write_voc(path, boxes):
    """[(class, x0, y0, x1, y1)] as VOC has it, counted from 1."""
    keys = ("xmin", "ymin", "xmax", "ymax")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = ""
    for kind, *box in boxes:
        corners = "".join(f"<{key}>{n + 1}</{key}>" for key, n in zip(keys, box, strict=True))
        text += f"<object><name>{kind}</name><bndbox>{corners}</bndbox></object>"
    path.write_text(f"<annotation>{text}</annotation>")


@pytest.fixture
def several(tmp_path):
    """Ten photographs in one folder: all show a cat, every second one a dog as well."""
    home = tmp_path / "plain"
    for index in range(10):
        picture(home / "images" / f"{index}.jpg", shade=20 * index + 9)
    return home


CAT, DOG = ("cat", [0, 0, 10, 10]), ("dog", [20, 10, 20, 10])
BOTH = {f"{index}.jpg": [CAT, DOG] if index % 2 else [CAT] for index in range(10)}
LABELS = ["image,class", *(f"{name},{own}" for name, boxes in BOTH.items() for own, _ in boxes)]
BOXES = "image,x0,y0,x1,y1"


@pytest.mark.parametrize("kind", ["labels.csv", "instances_all.json", "annotations", "both"])
def test_several_classes_an_image(several, kind):
    if kind in ("labels.csv", "both"):
        write_lines(several / "labels.csv", *LABELS)
    if kind == "both":  # a box without a class, where there is one class
        write_lines(several / "boxes.csv", BOXES, "2.jpg,1,2,3,4")
    elif kind == "instances_all.json":
        write_coco(several / kind, BOTH)
    elif kind == "annotations":
        for name, boxes in BOTH.items():
            rows = [(own, x, y, x + w, y + h) for own, (x, y, w, h) in boxes]
            write_voc(several / "annotations" / f"{name[:-4]}.xml", rows)
    splits = [load(several, split) for split in SPLITS]
    assert [len(own) for own in splits] == [6, 2, 2] and splits[0].multilabel
    assert splits[0].source == "val and test held out: 0.2 of all, seed 0"
    for own in splits:
        for image, label in zip(own.image_ids, own.labels.tolist(), strict=True):
            assert label == [1, int(image[-5]) % 2]
    # bboxes of 40x20 in a square of 40: twice as high
    boxes = {"cat": [[0, 0, 10, 20]], "dog": [[20, 20, 39, 38]]}
    boxes = boxes if kind in ("instances_all.json", "annotations") else {"cat": [], "dog": []}
    for (image, name), (found, *_) in load_all(several).items():
        special = kind == "both" and image == "images/2.jpg"
        assert found == ([[1, 4, 3, 8]] if special else boxes[name]), (image, name)
    with pytest.raises(ValueError, match="has a column for each class: leave classes out"):
        load(several, "train", classes=2)


def test_a_box_of_several_classes_says_whose_it_is(several):
    write_lines(several / "labels.csv", *LABELS)
    write_lines(several / "boxes.csv", BOXES, "1.jpg,1,2,3,4")
    message = "boxes.csv, line 2: images/1.jpg shows several classes: say in a column class whose"
    with pytest.raises(ValueError, match=message):
        load_all(several)


def test_one_class_an_image_by_a_list(several):
    """Then it is a data set of one class an image; of boxes its own count."""
    rows = [f"{index}.jpg,{'ab'[index % 2]}" for index in range(9)]
    write_lines(several / "labels.csv", "image,class", *rows)
    lines = ["image;x0;y0;x1;y1;class", "1.jpg;1;2;3;4;b", "1.jpg;5;5;9;9;a", "2.jpg;1;2;3;4;"]
    write_lines(several / "boxes.csv", *lines)
    with pytest.warns(UserWarning, match="images/9.jpg is left out: nothing says their class"):
        known = load_all(several)
        assert len(known) == 9 and not load(several, "val").multilabel
    assert known["images/1.jpg", "b"][0] == known["images/2.jpg", "a"][0] == [[1, 4, 3, 8]]
    assert sum(bool(boxes) for boxes, *_ in known.values()) == 2


def test_images_of_no_class_are_those_of_several(several):
    write_coco(several / "annotations.json", BOTH | {"0.jpg": []})
    rows = [own for split in SPLITS for own in load(several, split).labels.tolist()]
    assert sorted(rows)[0] == [0, 0] and len(rows) == 10


def test_boxes_of_an_image_that_was_made_smaller(home):
    write_coco(home / "boxes.json", {"cat/1.jpg": [("cat", [10, 10, 60, 20])]}, size=(80, 40))
    assert load_all(home)["cat/1.jpg", "cat"][0] == [[5, 10, 35, 30]]  # of 80x40, in 40x40
    write_coco(home / "boxes.json", {"cat/1.jpg": [("cat", [1, 1, 9, 9])]}, size=(20, 40))
    with pytest.raises(ValueError, match="annotation None: cat/1.jpg is said to have 20x40 pixels"):
        load_all(home)


def test_masks_by_a_table_of_values(several):
    write_coco(several / "boxes.json", BOTH)
    (several / "classes.txt").write_text("value,name\n0,background\n4,cat\n7,dog\n")
    draw(several / "masks" / "1.png", [4, 7, 255, 0], "P")
    draw(several / "images" / "3_mask.png", [0, 7, 7, 0])  # shows no cat
    known = load_all(several)
    assert [*map(quarters, known["images/1.jpg", "cat"][1:])] == [[1, 0, 0, 0], [0, 0, 1, 0]]
    assert [*map(quarters, known["images/1.jpg", "dog"][1:])] == [[0, 1, 0, 0], [0, 0, 1, 0]]
    assert [*map(quarters, known["images/3.jpg", "dog"][1:])] == [[0, 1, 1, 0], [0, 0, 0, 0]]
    assert [*map(quarters, known["images/3.jpg", "cat"][1:])] == [[0] * 4, [1] * 4]
    draw(several / "masks" / "1.png", [4, 9, 0, 0])
    message = r"masks/1.png is no grey or palette image of the values 0, 4, 7, 255: correct it"
    with pytest.raises(ValueError, match=message):
        load_all(several)


def test_a_table_picks_the_class_of_a_folder(home):
    """Also where only some classes are chosen, so that their numbers change."""
    picture(home / "zebra" / "1.jpg")
    for name in "234":
        picture(home / "zebra" / f"{name}.jpg")
    (home / "classes.csv").write_text("3,zebra\n2,cat\n1,H\u00fcndin und Welpe\n", "utf-8")
    draw(home / "masks" / "zebra" / "1.png", [1, 2, 3, 0], "P")
    for options in ({}, {"classes": ["cat", "zebra"]}):
        known = load_all(home, **options)
        assert quarters(known["zebra/1.jpg", "zebra"][1]) == [0, 0, 1, 0]


def test_what_a_mask_ignores(home):
    draw(home / "cat" / "1_mask.png", [1, 0, 0, 200])
    draw(home / "cat" / "1_ignore.png", [0, 255, 0, 0])
    draw(home / "masks" / "cat" / "2.PNG", [0, 1, 255, 0], "P")
    draw(home.parent / "other" / "cat" / "5.png", [0, 0, 0, 9])
    known = load_all(home)
    assert [*map(quarters, known["cat/1.jpg", "cat"][1:])] == [[1, 0, 0, 1], [0, 1, 0, 0]]
    assert [*map(quarters, known["cat/2.jpg", "cat"][1:])] == [[0, 1, 0, 0], [0, 0, 1, 0]]
    other = shutil.move(home.parent / "other", home / "other")  # no class, however it is spelled
    for split in SPLITS:
        assert load(home, split, masks=home / "cat" / ".." / "other").num_classes == 2
    known = load_all(home, masks=other)  # in place of those
    assert quarters(known["cat/5.jpg", "cat"][1]) == [0, 0, 0, 1]
    assert (
        len(known) == 20
        and sum(bool(own[1] is not None and own[1].any()) for own in known.values()) == 1
    )


def test_links_are_followed_and_circles_are_not(home):
    (home / "cat" / "more").symlink_to(home)  # a circle
    outside = home.parent / "outside"
    picture(outside / "0.JPG")
    (home / "cat" / "other").symlink_to(outside)
    (home / "cat" / "10.jpg").symlink_to(outside / "0.JPG")
    ids = {image for split in SPLITS for image in load(home, split).image_ids}
    assert len(ids) == 22 and {"cat/other/0.JPG", "cat/10.jpg"} < ids


def spoil_table(home, text="value,name\n1,cat\n"):
    draw(home / "masks" / "cat" / "1.png", [1, 0, 0, 0])
    (home / "classes.txt").write_text(text)


def spoil_masks(home):
    for place in (home / "masks" / "cat", home / "cat" / "masks"):
        draw(place / "1.png", [1, 0, 0, 0])


def spoil_boxes(home, *lines):
    write_lines(home / "boxes.csv", BOXES, *lines)


def spoil_twice(home):
    write_coco(home / "annotations.json", {"cat/1.jpg": [CAT]})
    spoil_boxes(home, "cat/1.jpg,1,2,3,4")


def spoil_names(home):
    picture(home / "cat" / "caf\u00e9.jpg")
    picture(home / "cat" / "cafe\u0301.jpg")


X = [("x", [1, 1, 3, 3])]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda home: (home / "cat/x.jpg").mkdir(), "x.jpg is a folder and is named as a"),
        (lambda home: (home / "cat/x.jpg").symlink_to("no"), "x.jpg is no file, or a link that"),
        (lambda home: (home / "cat/x.jpg").symlink_to("x.jpg"), "x.jpg is no file, or a link"),
        (lambda home: (home / "cat/3.jpg").write_bytes(b""), "3.jpg .* cannot be read as an image"),
        (lambda home: draw(home / "cat/77_mask.png", [1] * 4), "without a photograph: .*cat/77"),
        (lambda home: draw(home / "cat/1_ignore.png", [1] * 4), "and there is no mask: add it"),
        (spoil_masks, "masks/cat/1.png and .*cat/masks/1.png are masks of one photograph"),
        (spoil_table, "classes.txt has no value in 1..254 of the class 'Hündin und Welpe': add it"),
        (lambda home: spoil_table(home, "cat,1\n"), "line 1: give value,name, such as 1,Hündin"),
        (
            lambda home: draw(home / "masks/cat/1.png", [255, 0, 0, 0], "P"),
            "1.png is a palette of 0 and 255, which is ignored: save it grey",
        ),
        (lambda home: spoil_boxes(home, "cat/77.jpg,1,2,3,4"), "no image is named 'cat/77.jpg'"),
        (lambda home: spoil_boxes(home, "cat/1.jpg,9,2,41,4"), "the box 9,2,41,4 does not fit cat"),
        (spoil_twice, "boxes.csv and .*annotations.json speak of cat/1.jpg: name one with boxes"),
        (spoil_names, "have one name: rename one"),
        (
            lambda home: write_coco(home / "boxes.json", {"cat/1.jpg": X}, ("x",)),
            "boxes are of the class 'x' and photographs of Hündin und Welpe, cat: give both the",
        ),
        (lambda home: (home / "labels.csv").write_text("image,class\n1.jpg,a"), "several images"),
        (lambda home: (home / "labels.csv").write_text("a,b\n"), "s.csv has no column 'image'"),
    ],
)
def test_what_is_wrong_is_named(home, spoil, message):
    spoil(home)
    with pytest.raises((ValueError, StorageError), match=message):
        load_all(home)
        for split in SPLITS:
            load(home, split).images  # noqa: B018


def test_several_classes_need_a_table_for_their_masks(several):
    write_coco(several / "boxes.json", BOTH)
    draw(several / "masks" / "1.png", [1, 0, 0, 0])
    with pytest.raises(ValueError, match="say in .*classes.txt which value of the masks is which"):
        load(several, "train")


def test_nothing_is_written_into_the_folder(home, monkeypatch):
    write_coco(home / "annotations.json", {"cat/1.jpg": [CAT]})
    draw(home / "masks" / "cat" / "1.png", [1, 0, 0, 0])
    before = sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*"))
    for path in (home, home / "cat"):
        path.chmod(0o555)
    monkeypatch.setenv("ENTREG_ROOT", str(home.parent / "here"))
    try:
        for split in SPLITS:
            own = load(home, split, cache=True)
            assert len(own.fingerprint) == 64 and own.images.shape[2:] == (32, 32)
        str(data.survey(home))
    finally:
        for path in (home, home / "cat"):
            path.chmod(0o755)
    assert sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*")) == before
    assert any((home.parent / "here").rglob("*.npy"))
