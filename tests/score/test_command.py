"""``python -m entreg_utils score``: files in, table and files out; the public script."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from entreg_utils.__main__ import main


def words(lists, *more):
    return ["score", str(lists / "maps"), "--truth", str(lists / "boxes.csv"), *map(str, more)]


def test_table_json_csv_and_picture_say_the_same(lists, parity, tmp_path, capsys):
    files = [tmp_path / "out" / name for name in ("a.json", "a.csv", "a.png")]
    options = [
        cell for pair in zip(("--json", "--csv", "--curve"), files, strict=True) for cell in pair
    ]
    assert main(words(lists, "--masks", lists / "masks", "--samples", 20, *options)) == 0
    printed = capsys.readouterr().out
    best = (parity["iou_largest"] >= 0.5).mean(axis=0).max()
    assert f"max_box_acc {best:.4f}" in printed and "pxap" in printed
    rows, table = json.loads(files[0].read_text())["scores"], pd.read_csv(files[1])
    assert [row["value"] for row in rows] == table.value.tolist() and rows[0]["value"] == best
    assert table.columns.tolist()[:4] == ["score", "value", "low", "high"]
    assert Image.open(files[2]).size == (850, 420)
    assert main(words(lists, "--threshold-from", files[0], "--samples", 0)) == 0
    assert "carried" in capsys.readouterr().out


def test_no_file_is_written_twice_or_over_what_is_read(lists, tmp_path, capsys):
    a, truth = tmp_path / "a.txt", lists / "boxes.csv"
    (tmp_path / "b").symlink_to(tmp_path)
    before = truth.read_bytes()
    for options, sentence in (
        (["--json", a, "--csv", tmp_path / "b" / "a.txt"], "--csv would overwrite"),
        (["--csv", truth], f"--csv would overwrite {truth}: name another file"),
    ):
        assert main(words(lists, *options)) == 1
        assert sentence in capsys.readouterr().err
    assert not a.exists() and truth.read_bytes() == before


def test_two_sets_are_compared(lists, parity, tmp_path, capsys):
    np.savez(tmp_path / "other.npz", **{name: -cam for name, cam in parity["cams"].items()})
    pair = [str(lists / "maps"), str(tmp_path / "other.npz")]
    files = ["--csv", str(tmp_path / "change.csv"), "--json", str(tmp_path / "change.json")]
    options = ["--truth", str(lists / "boxes.csv"), "--samples", "20", *files]
    assert main(["score", "--compare", *pair, *options]) == 0
    table = pd.read_csv(tmp_path / "change.csv")
    assert (table.second - table["first"] == table.change).all()
    stored = json.loads((tmp_path / "change.json").read_text())["scores"]
    assert [row["change"] for row in stored] == table.change.tolist()
    assert f"{table.change[0]:.4f}" in capsys.readouterr().out


def public(lists, data, *more):
    places = {"scoremap": "maps", "metadata": "metadata", "mask": "dataset"}
    roots = [f"--{name}_root={lists / place}" for name, place in places.items()]
    return ["score", *roots, "--dataset_name", data, "--split", "test", *map(str, more)]


def test_the_public_script_s_options_print_its_numbers(lists, parity, capsys):
    percent = {
        rule: [(parity[f"iou_{rule}"] >= d).sum(axis=0) * 100.0 / 43 for d in (0.3, 0.5, 0.7)]
        for rule in ("largest", "all")
    }
    fine, every = ["--cam_curve_interval", 0.001], np.average([c.max() for c in percent["all"]])
    for more, wanted in (
        ([], percent["largest"][1][::10].max()),
        (fine, percent["largest"][1].max()),
        ([*fine, "--multi_contour_eval"], percent["all"][1].max()),
        ([*fine, "--multi_contour_eval", "true", "--multi_iou_eval", "True"], every),
        ([*fine, "--multi_iou_eval=no", "--iou_threshold_list", 70], percent["largest"][1].max()),
    ):
        assert main(public(lists, "CUB", *more)) == 0
        assert capsys.readouterr().out == f"Loading and evaluating cams.\nlocalization: {wanted}\n"


def test_the_public_script_s_options_print_its_pixel_score(lists, parity, capsys):
    for column, step in enumerate((0.001, 0.01)):
        assert main(public(lists, "OpenImages", "--cam_curve_interval", step)) == 0
        _, auc, last = capsys.readouterr().out.splitlines()
        assert auc == last.replace("localization:", "Mask AUC on split test:")
        wanted = pytest.approx(100 * parity["pxap"][column], abs=1e-12)
        assert float(last.removeprefix("localization: ")) == wanted


def test_maps_without_numbers_are_said_once_by_the_public_script(lists, parity, tmp_path, capsys):
    maps = {name: np.full((3, 3), np.nan) for name in parity["cams"]}
    np.savez(tmp_path / "maps.npz", **maps)
    for data in ("CUB", "OpenImages"):
        assert main(public(lists, data, "--scoremap_root", tmp_path / "maps.npz")) == 0
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("note: 43 of 43 maps hold NaN or infinite values and were scored")


def test_maps_of_other_images_do_not_disturb_the_public_script(lists, parity, tmp_path, capsys):
    maps = {f"{name}.jpg": cam for name, cam in parity["cams"].items()}
    argv = public(lists, "CUB", "--scoremap_root", tmp_path / "maps.npz")
    np.savez(tmp_path / "maps.npz", **maps, more=maps["a/00.jpg"])
    assert main(argv) == 0
    del maps["a/01.jpg"]
    np.savez(tmp_path / "maps.npz", **maps)
    assert main(argv) == 1
    assert "images of the truth without map: 1 (a/01.jpg): write those\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (lambda a: ["score", "--truth", a / "boxes.csv"], "give MAPS or --compare A B"),
        (lambda a: words(a, "--compare", "x", "y"), "give MAPS or --compare A B"),
        (lambda a: words(a, "--json", "/proc/a.json"), "cannot write /proc/a.json"),
        (
            lambda a: ["score", a / "maps", "--truth", a / "masks", "--curve", "a.png"],
            "--curve draws BoxAcc of one set",
        ),
        (lambda a: ["score", a / "maps", "--truth", a / "masks", "--predictions", "p"], "no boxes"),
        (lambda a: public(a, "ILSVRC"), "image_ids.txt is not there: give --metadata_root"),
        (lambda a: public(a, "CUB", "--cam_curve_interval", 0), "give 0 to 1"),
    ],
)
def test_what_cannot_be_is_one_sentence_on_stderr(lists, argv, message, capsys):
    assert main([str(word) for word in argv(lists)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
