"""README's commands for photographs, run as they stand on small trees.

The presets are made small (32 pixels, one epoch), and what would come over the network is made
here; the words of the commands are README's own.
"""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from entreg_utils import __main__ as cli
from entreg_utils import models
from entreg_utils.experiments import presets
from entreg_utils.models import weights

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SMALL = {"resize": 40, "crop": 32, "eval_size": 32, "epochs": 1, "decay_epochs": ()}


def commands(heading):
    """The words of each command below a heading of README."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = "".join(re.findall(r"```\n(.*?)```", section, re.DOTALL)).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in blocks.splitlines()]
    return [words[3:] for words in lines if words[:3] == ["python", "-m", "entreg_utils"]]


@pytest.fixture
def here(project, tmp_path, monkeypatch):
    """A reader's folder, with an empty project and small presets."""
    for name, way in presets._WAYS.items():
        settings = way["settings"]
        small = {k: v for k, v in SMALL.items() if k != "decay_epochs" or k in settings}
        cub = {"classes": 2} if name == "two_cores" else {}  # no other lists here
        monkeypatch.setitem(presets._WAYS, name, way | {"settings": settings | small, "cub": cub})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paint(path, label, number):
    """A bright square on a dark ground, at a place that changes; its box."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((48, 64, 3), 30 + number, np.uint8)
    x, y = 4 * (number % 8), 3 * (number % 5)
    pixels[y : y + 24, x : x + 24, label % 3] = 220
    Image.fromarray(pixels).save(path)
    return x, y, x + 24, y + 24


def cub(home):
    """Three classes of 24 photographs, 22 of them for training and validation."""
    rows = {name: [] for name in ("classes", "images", "image_class_labels", "train_test_split")}
    boxes, number = [], 0
    for label in range(3):
        rows["classes"].append(f"{label + 1} {label + 1:03}.Bird_{label}")
        for i in range(24):
            number += 1
            name = f"{label + 1:03}.Bird_{label}/{i}.png"
            x0, y0, x1, y1 = paint(home / "images" / name, label, i)
            rows["images"].append(f"{number} {name}")
            rows["image_class_labels"].append(f"{number} {label + 1}")
            rows["train_test_split"].append(f"{number} {int(i < 22)}")
            boxes.append(f"{number} {x0}.0 {y0}.0 {x1 - x0}.0 {y1 - y0}.0")
    for name, lines in (rows | {"bounding_boxes": boxes}).items():
        (home / f"{name}.txt").write_text("\n".join(lines) + "\n")


def test_the_commands_for_published_photographs(here, monkeypatch, capsys):
    data = here / "project" / "data"
    cub(data / "CUB_200_2011")
    (data / "weights").mkdir()
    state = models.build("mobilenet_v2", 2).state_dict()
    np.savez(data / "weights" / "mobilenet_v2_imagenet.npz", **state)
    monkeypatch.setattr(weights, "fetch", lambda name: models.build(name, 2).state_dict())
    registry = Path(__file__).parents[1] / "data" / "registry.json"
    (data / "registry.json").write_text(registry.read_text())
    found = commands("Photographs")
    assert [words[0] for words in found] == ["data", "run", "run"]
    for words in found:
        assert cli.main(words) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    assert "licence: " in printed and printed.count("trained now") == 2
    assert "resnet50, kl_uniform, ε = 0.3 (" in printed and "mobilenet_v2, none" in printed
    for count in (4, 6):  # of two classes and of three
        assert f"split: test of cub, {count} images; " in printed


def test_from_a_folder_of_photographs_to_a_scored_table(here, capsys):
    boxes, drawn = ["image,x0,y0,x1,y1"], ["image,x0,y0,x1,y1"]
    for label, name in enumerate(("cat", "dog")):
        for i in range(10):
            box = paint(here / "photos" / name / f"{i}.png", label, i)
            boxes.append(",".join(map(str, (f"{name}/{i}.png", *box))))
            box = paint(here / "new_photos" / f"{name}{i}.png", label, i + 3)
            drawn.append(",".join(map(str, (f"{name}{i}.png", *box))))
    (here / "photos" / "boxes.csv").write_text("\n".join(boxes))
    (here / "new_photos" / "boxes.csv").write_text("\n".join(drawn))
    found = commands("Your own photographs")
    assert [words[0] for words in found] == ["data", "run", "predict", "score"]
    for words in found:
        assert cli.main(words) == 0, capsys.readouterr().err
    said = capsys.readouterr()
    assert "note: folder:photos trains by the preset photographs" in said.err
    assert "has 12 photographs to train on" in said.err
    assert "split: test of folder:photos, 4 images; checkpoint" in said.out
    assert "preset: photographs (own choice" in said.out and "a centred box" in said.out
    (place,) = re.findall("^test photographs: (.*)$", said.out, re.MULTILINE)
    assert place.startswith(str(here / "results" / "folder.photos-"))
    for folder, count in ((Path(place), 4), (here / "predicted", 20)):
        assert len(list(folder.glob("maps/**/*.npy"))) == count
        assert len((folder / "predictions.csv").read_text().splitlines()) == count + 1
        assert (folder / "contact_sheet.png").stat().st_size > 0
    assert "max_box_acc" in said.out.partition("photographs are in predicted")[2]  # of score


@pytest.mark.parametrize("where", ["README.md", "notebooks/src/00_start_here.py"])
def test_the_tables_of_notebooks_are_those_that_there_are(where):
    root = Path(__file__).parents[1]
    rows = re.findall(
        r"^#? ?\| (\d\d) \| \[?([^|\]]+)\]?(?:\(([^)]*)\))? \|",
        (root / where).read_text("utf-8"),
        re.M,
    )
    files = sorted(path.name for path in (root / "notebooks").glob("*.ipynb"))
    assert [number for number, _, _ in rows] == [name[:2] for name in files]
    for (_, title, link), name in zip(rows, files, strict=True):
        assert Path(link or name).name == name
        words = name[3:].removesuffix(".ipynb").replace("_", " ").lower()
        assert set(title.lower().split()) & set(words.split())


def test_the_first_screen_has_picture_commands_and_three_doors():
    screen = "\n".join(README.splitlines()[:30]).partition("\n## ")[0]
    assert "![" in screen and "(data/headline.png)" in screen
    assert re.findall(r"^(make \w+) ", screen, re.M) == ["make tutorial", "make test"]
    assert re.findall(r"^\| \*\*(.*?)\*\* \|", screen, re.M) == [
        "learn", "teach", "use your own photographs",
    ]  # fmt: skip
    for target in re.findall(r"\]\(([^)#:]+)\)", screen):
        assert (Path(__file__).parents[1] / target).is_file(), target
