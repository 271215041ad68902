"""``predict``: files, tables and boxes of photographs made by hand, interruptions, refusals."""

import errno
import json
import os
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from entreg_utils import __main__ as cli
from entreg_utils import metrics
from entreg_utils.data import annotations
from entreg_utils.files import StorageError
from entreg_utils.predict import find, photographs, predict
from entreg_utils.predict.classifiers import classifier

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


class Colours(nn.Module):
    """Says which of three colours there is most of; its maps are their means in 16x16 squares."""

    mean, std = (0.0,) * 3, (1.0,) * 3

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 3, 16, 16, bias=False)
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(3, 3, bias=False)
        self.body.weight.data = nn.init.dirac_(self.body.weight.data * 0).mean((2, 3), True)
        self.body.weight.data = self.body.weight.data.expand(3, 3, 16, 16).clone()
        nn.init.eye_(self.head.weight)

    def forward(self, images):
        return self.head(self.pool(self.body(images)).flatten(1))


@pytest.fixture(scope="module")
def asked():
    return classifier(Colours(), classes=list(COLOURS))


def picture(colour, box, size=(448, 336)):
    image = Image.new("RGB", size)
    image.paste(COLOURS[colour], box)
    return image


@pytest.fixture
def photos(tmp_path):
    """Two photographs in folders, one that a viewer turns, a black one, and what is none."""
    home = tmp_path / "photos"
    (home / "a" / "masks").mkdir(parents=True)
    picture("red", (64, 96, 192, 240)).save(home / "a" / "красный.png")
    picture("blue", (200, 0, 448, 100), (600, 800)).save(home / "a" / "b.c.png")
    turned = picture("green", (0, 0, 160, 144))
    exif = turned.getexif()
    exif[274] = 6  # shown after a quarter turn to the right: its upper left is the upper right
    turned.save(home / "turned.jpg", exif=exif)
    Image.new("RGB", (30, 20)).save(home / "black.png")
    picture("red", (0, 0, 9, 9)).save(home / "a" / "masks" / "a.png")
    picture("red", (0, 0, 9, 9)).save(home / ".hidden.png")
    return home


@pytest.fixture
def broken(photos):
    (photos / "text.jpg").write_text("no picture")
    (photos / "empty.jpg").touch()
    whole = (photos / "a" / "красный.png").read_bytes()
    (photos / "short.png").write_bytes(whole[: len(whole) // 2])
    return ["empty.jpg", "short.png", "text.jpg"]


NAMES = ["a/b.c.png", "a/красный.png", "black.png", "turned.jpg"]


def test_maps_boxes_and_tables_of_every_photograph(photos, broken, asked, tmp_path):
    out = tmp_path / "out"
    table = predict(photos, asked, out, threshold=0.5, npz=True, progress=False)
    assert [*table["image"]] == NAMES and [*table.attrs["failed"]] == broken
    assert [*table["class"]] == ["blue", "red", "red", "green"]
    assert all(name in table.attrs["failed"][name] for name in broken)
    maps = np.load(out / "maps.npz")
    sizes = {"a/b.c.png": (600, 800), "a/красный.png": (448, 336), "turned.jpg": (336, 448)}
    for image, path, own in zip(NAMES, table["map"], table["boxes"], strict=True):
        name = image.rpartition(".")[0]
        assert path == out / "maps" / f"{name}.npy"
        raw = np.load(path)
        assert raw.dtype == np.float32 and raw.shape == (14, 14)
        np.testing.assert_array_equal(maps[name], raw)
        if image == "black.png":
            assert own == []
        else:
            at_224 = metrics.rescale_boxes(own, sizes[image])
            np.testing.assert_array_equal(at_224, metrics.boxes_at(raw, 0.5))
    # 16-pixel squares of the map are 32x24 pixels of the photograph, and half the kernel's slope
    assert np.abs(np.subtract(table["boxes"][1][0], (64, 96, 192, 240))).max() <= 8
    assert np.abs(np.subtract(table["boxes"][3][0], (192, 0, 335, 160))).max() <= 8
    predictions = pd.read_csv(out / "predictions.csv")
    assert [*predictions["image"]] == NAMES and set(predictions["weights"]) == {"own"}
    assert predictions["class_1"].tolist() == table["class"].tolist()
    ranks = predictions[[f"probability_{k}" for k in (1, 2, 3)]].to_numpy()
    assert np.allclose(ranks.sum(1), 1) and (np.diff(ranks) <= 0).all()
    assert list(predictions.columns[-2:]) == ["probability_3", "weights"]


def test_boxes_are_read_by_folders_and_as_coco(photos, asked, tmp_path):
    out = tmp_path / "out"
    table = predict(photos, asked, out, contours="all", progress=False).set_index("image")
    said = {path: annotations.read(out / path) for path in ("boxes.csv", "boxes.coco.json")}
    assert said["boxes.coco.json"]["turned.jpg"].size == (336, 448)
    assert said["boxes.coco.json"]["black.png"].boxes == ()
    for image in ("a/b.c.png", "a/красный.png", "turned.jpg"):
        for own in said.values():
            assert own[image].boxes == tuple(map(tuple, table["boxes"][image]))
            assert own[image].classes == (table["class"][image],)
    coco = json.loads((out / "boxes.coco.json").read_text())["annotations"]
    assert [one["id"] for one in coco] == [1, 2, 3]
    assert all(one["area"] == one["bbox"][2] * one["bbox"][3] for one in coco)
    shares = [share for share, own in zip(table["probability"], table["boxes"], strict=True) if own]
    assert [one["score"] for one in coco] == shares
    boxes = pd.read_csv(out / "boxes.csv")
    assert set(boxes["threshold"]) == {0.15} and set(boxes["weights"]) == {"own"}


def test_pictures_are_there_and_the_sheet_has_up_to_60(photos, asked, tmp_path, monkeypatch):
    for index in range(62):
        picture("red", (9, 9, 60, 60), (90, 60)).save(photos / f"{index}.png")
    drawn, draw = [], photographs.Job.draw
    monkeypatch.setattr(
        photographs.Job, "draw", lambda *a: drawn.append(a[-1]["image"]) or draw(*a)
    )
    table = predict(photos, asked, tmp_path / "out", progress=False)
    on_sheet = {*drawn[66:]}  # by several threads, in any order
    assert len(on_sheet) == 60 and {NAMES[0], "turned.jpg"} <= on_sheet < {*table["image"]}
    assert all(Image.open(path).format == "PNG" for path in table["overlay"])
    assert Image.open(tmp_path / "out" / "contact_sheet.png").size[0] > 1000


@pytest.fixture
def shown(asked, monkeypatch):
    """How many photographs the network is shown, pass by pass; passes of two."""
    counts = []
    monkeypatch.setattr(photographs, "_BATCH", 2)
    with_count = photographs.cam.class_activation_map

    def counted(network, images, classes):
        counts.append(len(images))
        return with_count(network, images, classes)

    monkeypatch.setattr(photographs.cam, "class_activation_map", counted)
    return counts


def test_what_is_whole_is_kept_and_the_rest_is_done_again(photos, asked, tmp_path, shown):
    out = tmp_path / "out"
    first = predict(photos, asked, out, progress=False)
    pd.testing.assert_frame_equal(predict(photos, asked, out, progress=False), first)
    assert shown == [2, 2]  # in the first call
    (out / "overlays" / "black.png").unlink()
    (out / "maps" / "a" / "b.c.npy").unlink()
    picture("red", (0, 0, 99, 99)).save(photos / "turned.jpg")
    with (out / "journal.jsonl").open("a") as journal:
        journal.write('\n{"image": "a/крас')
    again = predict(photos, asked, out, progress=False)
    assert sum(shown) == 4 + 3 and [*again["class"]] == ["blue", "red", "red", "red"]
    assert (out / "overlays" / "black.png").exists() and (out / "maps" / "a" / "b.c.npy").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")])
def test_an_interruption_and_a_full_disk_lose_nothing(
    photos, asked, tmp_path, shown, monkeypatch, error
):
    out, sync, written = tmp_path / "out", os.fsync, []

    def stop(handle):
        written.append(handle)
        if len(written) == 6:  # settings, maps and overlays of two, and then a map
            raise error
        return sync(handle)

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises((KeyboardInterrupt, StorageError)) as caught:
        predict(photos, asked, out, progress=False)
    assert isinstance(error, KeyboardInterrupt) or "no room for" in str(caught.value)
    assert not [*out.rglob(".*")] and not (out / "predictions.csv").exists()
    monkeypatch.setattr(os, "fsync", sync)
    shown.clear()
    resumed = predict(photos, asked, out, progress=False)
    assert 0 < sum(shown) <= 3
    fresh = predict(photos, asked, tmp_path / "fresh", progress=False)
    kept = ["image", "class", "probability", "boxes"]
    pd.testing.assert_frame_equal(resumed[kept], fresh[kept])
    for name in ("predictions.csv", "boxes.csv", "boxes.coco.json"):
        if not torch.cuda.is_available():  # a GPU's last digits depend on the batch
            assert (out / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        (None, {"images": []}, "name a folder of photographs"),
        (None, {"images": "EMPTY"}, "no photographs in .*: they end in .bmp, .gif"),
        (None, {"images": "gone"}, "there is no gone: name a folder or photographs"),
        ("a/b.c.jpg", {}, "a/b.c.jpg and .*a/b.c.png would both write maps/a/b.c.npy: rename one"),
        (None, {"threshold": 1.5}, "give values in 0..1"),
        (None, {"threshold": -0.1}, "give values in 0..1"),
        (None, {"threshold": "carried"}, "Colours has no threshold from validation"),
        (None, {"contours": "some"}, "unknown contours"),
        ("folder.jpg/", {}, "folder.jpg is a folder and is named as a photograph: rename it"),
        (None, {"out": "PHOTOS"}, "holds something else, or .* another folder with --out"),
        (None, {"out": "FILE"}, "cannot write .*predict.json"),
    ],
)
def test_refusals_are_one_sentence_and_nothing_is_written(
    photos, asked, tmp_path, change, options, sentence
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    places = {"EMPTY": tmp_path / "empty", "PHOTOS": photos, "FILE": tmp_path / "file"}
    given = {"images": photos, "out": tmp_path / "out"} | options
    given = {k: places.get(v, v) if isinstance(v, str) else v for k, v in given.items()}
    if change:
        (photos / change).mkdir() if change.endswith("/") else (photos / change).touch()
    before = {*photos.rglob("*")}
    with pytest.raises((ValueError, StorageError), match=sentence):
        predict(model=asked, progress=False, **given)
    assert {*photos.rglob("*")} == before and not (tmp_path / "out").exists()


def test_a_network_without_numbers_is_refused(photos, tmp_path):
    broken = classifier(Colours(), classes=list(COLOURS))
    head = broken.network.network.head
    head.bias = nn.Parameter(head.weight[0] * np.nan)  # which the maps leave out
    with pytest.raises(ValueError, match="answers with NaN or infinity to photographs near a/b.c"):
        predict(photos, broken, tmp_path / "out", progress=False)


def test_a_folder_of_another_call_is_refused(photos, asked, tmp_path):
    given = {"images": photos, "out": tmp_path / "out", "progress": False}
    predict(model=asked, **given)
    other = classifier(Colours(), classes=list(COLOURS))
    predict(model=other, **given)  # the same weights
    other.network.network.head.weight.data[0] = 0.5
    other = classifier(other.network, classes=list(COLOURS))
    alike = shutil.copytree(photos, tmp_path / "other" / "photos")
    (alike / "more.png").write_bytes((photos / "black.png").read_bytes())
    for changed in ({"images": alike}, {"threshold": 0.2}, {"contours": "all"}, {"model": other}):
        with pytest.raises(ValueError, match="of another network or folder, .*--out"):
            predict(**{"model": asked} | given | changed)
    assert [*pd.read_csv(tmp_path / "out" / "predictions.csv")["image"]] == NAMES


def test_listed_files_and_an_out_among_the_photographs(photos, asked):
    out = photos / "out"
    one = photos / "a" / "b.c.png"
    table = predict([one, photos / "turned.jpg"], asked, out, progress=False)
    assert [*table["image"]] == ["b.c.png", "turned.jpg"]
    assert [*find([photos], out)] == NAMES
    (photos / "notes.odt").touch()
    with open(os.fsencode(photos / "caf") + b"\xe9.png", "w"):  # a name that is no UTF-8 text
        pass
    with pytest.warns(UserWarning, match="1 files are left out, such as .*notes.odt"):
        assert [*find([photos], out)] == sorted([*NAMES, "caf\ufffd.png"])


# ---- the command
def run(*words):
    return cli.main(["predict", *map(str, words)])


def test_the_command_says_what_became_of_it(photos, broken, tmp_path, monkeypatch, capfd, own_code):
    own_code(
        "mine_to_predict", "from tests_colours import Colours\n\ndef net(n):\n    return Colours()"
    )
    monkeypatch.setitem(sys.modules, "tests_colours", sys.modules[__name__])
    words = [photos, "--model", "mine_to_predict:net", "--out", tmp_path / "out"]
    words += ["--classes", "rouge", "vert", "bleu"]
    assert run(*words) == 1
    assert "give --allow-code" in capfd.readouterr().err and not (tmp_path / "out").exists()
    assert run(*words, "--allow-code", "--threshold", "0.5") == 1
    said = capfd.readouterr()
    assert said.out == f"4 of 7 photographs are in {tmp_path / 'out'}\n"
    left_out = [line for line in said.err.splitlines() if line.startswith("left out: ")]
    assert len(left_out) == 3 and all(n in s for n, s in zip(broken, left_out, strict=True))
    for name in broken:
        (photos / name).unlink()
    assert run(*words, "--allow-code", "--threshold", "0.5") == 0


def test_the_command_with_a_stored_run(photos, stored, tiny, tmp_path, capsys, training_forbidden):
    out = tmp_path / "out"
    assert run(photos, "--run", tiny.name, "--threshold", "carried", "--out", out) == 0
    boxes = pd.read_csv(out / "boxes.csv")
    record = json.loads(stored.read_text())
    assert set(boxes["threshold"]) == {record["metrics"]["box_threshold"]}
    assert set(boxes["weights"]) == {f"run {tiny.name}"}
    assert len(pd.read_csv(out / "predictions.csv").columns) == 12
    capsys.readouterr()
    for words, sentence in (
        ([photos], "give one of --model and --run"),
        ([photos, "--run", "x", "--model", "y"], "give one of --model and --run"),
        ([photos, "--run", "gone"], "no runs begin with 'gone'"),
        ([photos, "--model", "vgg"], "unknown model 'vgg'"),
        ([photos, "--model", "toy", "--root", photos], "--root is the folder of a run's data set"),
    ):
        assert run(*words) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and sentence in error and error.count("\n") == 1
