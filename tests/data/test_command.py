"""``data`` on the command line: paints once, checks each time, says where and with what licence."""

import hashlib
import io
import json
import os
import tarfile

import numpy as np
import pytest
from torch.utils.data import Dataset

from entreg_utils import __main__ as cli
from entreg_utils import data
from entreg_utils.data import command
from entreg_utils.data.toy import digest, generate
from entreg_utils.data.world import SPLITS, World
from entreg_utils.files import StorageError, write_checked

WORDS = ["data", "toy", "--num-train", "6", "--image-size", "32", "--num-classes", "3"]
KNOBS = {"image_size": 32, "num_classes": 3}


@pytest.fixture(autouse=True)
def small_splits(monkeypatch):
    monkeypatch.setitem(SPLITS, "val", 4)
    monkeypatch.setitem(SPLITS, "test", 5)


def call(folder, *words):
    return cli.main([*WORDS, "--root", str(folder), *words])


def test_paints_caches_and_says_so(tmp_path, capsys):
    assert call(tmp_path) == 0
    printed = capsys.readouterr().out
    assert "train      6 images, 32x32, 3 classes; sha256 " in printed
    for split, count in {"train": 6, "val": 4, "test": 5}.items():
        assert digest(generate(World(**KNOBS), split, count)) in printed
    size = sum(path.stat().st_size for path in tmp_path.glob("*.npz")) / 1e6
    assert f"cached in {tmp_path} (3 of 3 files written now; {size:.1f} MB in all)" in printed
    assert "licence: drawn by this package, MIT" in printed


def test_a_second_call_writes_nothing(tmp_path, capsys):
    call(tmp_path)
    first = capsys.readouterr().out
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert call(tmp_path) == 0
    assert capsys.readouterr().out == first.replace(
        "3 of 3 files written now", "nothing new to write"
    )
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_knobs_are_options(tmp_path, capsys):
    assert call(tmp_path, "--part-visibility", "0", "--seed", "4", "--body", "0.5") == 0
    world = World(part_visibility=0.0, seed=4, body=0.5, **KNOBS)
    assert digest(generate(world, "test", 5)) in capsys.readouterr().out


@pytest.mark.parametrize("name", ["images", "labels", "cues", "boxes", "masks", "parts"])
def test_another_painters_cache_is_refused(name):
    cached, painted = (data.load("toy", "val", cache=False, **KNOBS) for _ in range(2))
    command.check(cached, painted)
    getattr(cached, name).view(-1)[:1].logical_not_()  # one entry, zero or not, becomes another
    with pytest.raises(StorageError, match=f"the {name} of the cached val split are not"):
        command.check(cached, painted)


def test_a_cache_that_is_whole_but_wrong_ends_in_one_sentence(tmp_path, capsys):
    call(tmp_path)
    path = next(tmp_path.glob("toy-test-*.npz"))
    arrays = generate(World(seed=9, **KNOBS), "test", 5)  # another world under this one's name
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_checked(path, buffer.getvalue())
    capsys.readouterr()
    assert call(tmp_path) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: the images of the cached test split") and "delete" in error


def test_a_damaged_cache_is_painted_again_with_a_note(tmp_path, capsys):
    call(tmp_path)
    first = capsys.readouterr().out
    path = next(tmp_path.glob("toy-val-*.npz"))
    path.write_bytes(path.read_bytes()[:-1])
    assert call(tmp_path) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith(f"note: painting the embedded world again: {path} is damaged")
    assert captured.err.count("\n") == 1
    assert captured.out.splitlines()[1:4] == first.splitlines()[1:4]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path, capsys):
    place = tmp_path / "file"
    place.write_text("no folder")
    assert call(place) == 1
    assert "error: the embedded world is not cached: cannot" in capsys.readouterr().err


def test_bad_knobs_and_no_name(tmp_path, capsys):
    assert call(tmp_path, "--body", "2") == 1
    captured = capsys.readouterr()
    assert captured.err == "error: body=2.0 is not a probability: give a number in 0..1\n"
    assert captured.out == "" and os.listdir(tmp_path) == []
    assert cli.main(["data"]) == 1
    assert "name a data set, one of toy" in capsys.readouterr().err


def test_list_names_what_can_be_loaded(capsys):
    assert cli.main(["data", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(data.DATASETS)


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
    monkeypatch.setattr(data, "DATASETS", names)
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
    assert lines[3].startswith(f"to fetch: {site.url('/b.tgz')} ({size} bytes; sha256 ")
    assert lines[-3:] == [
        "train      3 images, 2 classes",
        "val        1 images, 2 classes",
        "test       2 images, 2 classes",
    ]
    assert cli.main(["data", "birds"]) == 0
    again = capsys.readouterr().out.splitlines()
    assert again[3] == f"nothing to fetch: all of it is in {birds}" and again[-3:] == lines[-3:]
    assert len(site.log) == 1


def test_a_dry_run_fetches_nothing(birds, site, capsys, tmp_path):
    assert cli.main(["data", "birds", "--dry-run", "--root", str(tmp_path / "there")]) == 0
    printed = capsys.readouterr().out
    assert f"-> {tmp_path / 'there' / 'set' / 'birds'}\n" in printed
    assert site.log == [] and not (tmp_path / "there").exists()
    assert cli.main(["data", "toy", "--dry-run", "--root", str(tmp_path / "there")]) == 0
    assert "nothing is downloaded" in capsys.readouterr().out
    assert not (tmp_path / "there").exists()


def test_the_list_says_what_is_here(birds, capsys):
    cli.main(["data", "--list"])
    line = capsys.readouterr().out.splitlines()[1]
    assert line == "birds: six birds (for study only; 0.0 MB to download; not here)"
    cli.main(["data", "birds"])
    capsys.readouterr()
    cli.main(["data", "--list"])
    assert capsys.readouterr().out.splitlines()[1].endswith("; here)")


def test_a_failed_download_ends_in_one_sentence(birds, site, capsys):
    site.files.clear()
    assert cli.main(["data", "birds"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        f"error: {site.url('/b.tgz')} cannot be fetched: the server answers 404"
    )
    assert error.count("\n") == 1


def test_knobs_of_the_world_are_refused_for_photographs(birds, site, capsys):
    assert cli.main(["data", "birds", "--part-visibility", "0.9"]) == 1
    assert capsys.readouterr().err == (
        "error: --part-visibility belongs to the embedded world: leave it out for birds\n"
    )
    assert cli.main(["data", "birds", "--num-train", "9"]) == 1
    assert site.log == []


def test_a_data_set_that_the_registry_lacks(birds, capsys, monkeypatch):
    monkeypatch.setitem(data.DATASETS, "fish", None)
    assert cli.main(["data", "fish"]) == 1
    assert "error: the registry lists no 'fish': it has birds" in capsys.readouterr().err
