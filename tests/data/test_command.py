"""``data`` on the command line: paints, fetches, says where and with what licence."""

import hashlib
import io
import json
import tarfile

import pytest
from torch.utils.data import Dataset

from entreg_utils import __main__ as cli
from entreg_utils import data
from entreg_utils.data.world import SPLITS


@pytest.fixture(autouse=True)
def small_splits(monkeypatch):
    monkeypatch.setitem(SPLITS, "train", 6)
    monkeypatch.setitem(SPLITS, "val", 4)
    monkeypatch.setitem(SPLITS, "test", 5)


@pytest.mark.parametrize("name", data.DRAWN)
def test_a_drawn_world_is_painted_and_nothing_is_written(name, tmp_path, capsys):
    assert cli.main(["data", name, "--root", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{name}: ") and "(MIT, nothing is downloaded)" in printed
    assert "train      6 images, 8 classes\nval        4 images, 8 classes\n" in printed
    assert not list(tmp_path.iterdir())


def test_list_and_help_name_what_there_is(capsys):
    assert cli.main(["data", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(data.DATASETS)
    assert cli.main(["data", "fish"]) == cli.main(["data"]) == 1
    assert capsys.readouterr().err.count("name a data set (toy, shoal, cub") == 2
    with pytest.raises(SystemExit):
        cli.main(["data", "--help"])
    printed = capsys.readouterr().out
    assert all(option in printed for option in ("--root", "--list", "--dry-run"))


class Birds(Dataset):
    """Stands for a loader of photographs: as many images as the folder has."""

    num_classes = 2

    def __init__(self, split, root):
        self.paths = sorted((root / "set" / "birds").glob(f"{split}*.jpg"))

    def __len__(self):
        return len(self.paths)


@pytest.fixture
def birds(site, tmp_path, monkeypatch):
    """A photographic data set in a project of its own, served by this machine."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in ("train1", "train2", "train3", "val1", "test1", "test2"):
            tar.addfile(tarfile.TarInfo(f"birds/{name}.jpg"))
    archive = buffer.getvalue()
    site.files["/b.tgz"] = archive
    file = {
        "url": site.url("/b.tgz"),
        "name": "b.tgz",
        "bytes": len(archive),
        "sha256": hashlib.sha256(archive).hexdigest(),
        "unpack_to": "set",
        "holds": "birds",
    }
    entry = {"about": "six birds", "licence": "for study only", "homepage": "http://h/"}
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    (project / "data" / "registry.json").write_text(
        json.dumps({"birds": entry | {"files": [file], "manual": []}})
    )
    monkeypatch.setenv("ENTREG_ROOT", str(project))
    names = {"toy": data.DATASETS["toy"], "birds": lambda split, root: Birds(split, root)}
    for place in (data, data.choice):
        monkeypatch.setattr(place, "DATASETS", names)
    return project / "data"


def test_photographs_are_fetched_checked_and_counted(birds, site, capsys):
    assert cli.main(["data", "birds"]) == 0
    lines = capsys.readouterr().out.splitlines()
    size = len(site.files["/b.tgz"])
    assert lines[:3] == [
        "birds: six birds",
        "licence: for study only (http://h/)",
        f"size: {size / 1e6:.1f} MB to download; folder: {birds}",
    ]
    assert lines[3].startswith(f"to fetch: {site.url('/b.tgz')} ({size} bytes, checksum ")
    assert lines[-3:] == [
        "train      3 images, 2 classes",
        "val        1 images, 2 classes",
        "test       2 images, 2 classes",
    ]
    assert cli.main(["data", "birds"]) == 0
    again = capsys.readouterr().out.splitlines()
    assert again[3] == f"nothing to fetch: each part is in {birds}" and again[-3:] == lines[-3:]
    assert len(site.log) == 1
    cli.main(["data", "--list"])
    listed = capsys.readouterr().out.splitlines()[1]
    here = "1 of 1 parts here, 6 pictures and masks"
    assert listed == f"birds: six birds (for study only; 0.0 MB to download; {here})"


def test_list_says_how_much_of_a_data_set_is_here(tmp_path, capsys):
    """A part of it, as one's own copy may be, is not called all of it."""

    def said(name):
        assert cli.main(["data", "--list", "--root", str(tmp_path)]) == 0
        lines = capsys.readouterr().out.splitlines()
        return next(line for line in lines if line.startswith(f"{name}:"))

    birds, flowers = tmp_path / "CUB_200_2011" / "images" / "001.A", tmp_path / "flowers-102"
    birds.mkdir(parents=True)
    for name in ("1.jpg", "2.jpg", "about.txt"):
        (birds / name).touch()
    (flowers / "jpg").mkdir(parents=True)
    (flowers / "setid.mat").touch()
    assert said("cub").endswith("; 1 of 14 parts here, 2 pictures and masks)")
    lacking = "102segmentations.tgz, imagelabels.mat"
    assert said("flowers").endswith(
        f"; 2 of 4 parts here, 0 pictures and masks; it cannot be read without {lacking})"
    )
    assert said("pets").endswith("; not here)")


def test_a_dry_run_fetches_nothing(birds, site, capsys, tmp_path):
    assert cli.main(["data", "birds", "--dry-run", "--root", str(tmp_path / "there")]) == 0
    printed = capsys.readouterr().out
    assert f"-> {tmp_path / 'there' / 'set' / 'birds'}\n" in printed
    cli.main(["data", "--list"])
    assert "0.0 MB to download; not here)" in capsys.readouterr().out
    assert site.log == [] and not (tmp_path / "there").exists()
    assert cli.main(["data", "toy", "--dry-run", "--root", str(tmp_path / "there")]) == 0
    assert "nothing is downloaded" in capsys.readouterr().out
    assert not (tmp_path / "there").exists()
