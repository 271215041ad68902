"""Data sets brought into their folder from a server on this machine, step by step; ``data``."""

import hashlib
import io
import json
import os
import tarfile
import threading
import time
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest
from torchvision.datasets import Flowers102, OxfordIIITPet
from torchvision.datasets.voc import DATASET_YEAR_DICT

from entreg_utils import __main__ as cli
from entreg_utils import data
from entreg_utils.data.fetch import File, Source, fetch, read_source
from entreg_utils.data.world import SPLITS
from entreg_utils.files import StorageError


def tar_of(content):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, own in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(own)
            tar.addfile(info, io.BytesIO(own))
    return buffer.getvalue()


ARCHIVE = tar_of({"birds/1.jpg": b"one", "birds/2.jpg": b"two", "about.txt": b"dropped"})
SHA = hashlib.sha256(ARCHIVE).hexdigest()
LABELS = b"1\n2\n"


@pytest.fixture
def birds(site):
    """A data set of one archive, one checked and one unchecked plain file."""
    site.files |= {"/b.tgz": ARCHIVE, "/labels": LABELS, "/extra": b"extra"}
    md5, extra = hashlib.md5(LABELS).hexdigest(), (site.url("/extra"), 5)
    files = (
        File("b.tgz", "set", site.url("/b.tgz"), len(ARCHIVE), SHA, holds="birds"),
        File("labels.txt", "set", site.url("/labels"), len(LABELS), md5=md5),
        File("extra.txt", "set/lists", *extra, optional=True),
        File("more.txt", "set/lists", *extra, optional=True),
    )
    return Source("birds", "two birds", "free", "http://h/", files)


def with_manual(source, optional=False):
    manual = [
        File(
            f"{name}.zip", "masks", link="http://page/", about=name, probe=probe, optional=optional
        )
        for name, probe in (("m", "val/1.png"), ("n", "val/3.png"))
    ]
    return Source("birds", "two birds", "free", "http://h/", (*source.files, *manual))


def put_zips(root, **content):
    (root / "downloads").mkdir(parents=True, exist_ok=True)
    for name, members in content.items():
        with zipfile.ZipFile(root / "downloads" / f"{name}.zip", "w") as archive:
            for member in members:
                archive.writestr(member, b"mask")


def test_everything_is_in_its_place_after_one_call(birds, site, tmp_path, capsys):
    archive, labels, extra, _ = birds.files
    assert archive.step(tmp_path) == (
        f"to fetch: {archive.url} ({len(ARCHIVE)} bytes, checksum {archive.sha256}) -> "
        f"{tmp_path / 'set' / 'birds'}"
    )
    assert f"(4 bytes, checksum {labels.md5})" in labels.step(tmp_path)
    assert "(5 bytes, checksum not published)" in extra.step(tmp_path)
    fetch(birds, tmp_path)
    assert sorted(os.listdir(tmp_path / "set")) == ["birds", "labels.txt", "lists"]
    assert (tmp_path / "set/birds/2.jpg").read_bytes() == b"two"
    assert (tmp_path / "set/labels.txt").read_bytes() == LABELS
    assert capsys.readouterr().out.splitlines() == [
        f"b.tgz: checked and unpacked to {tmp_path / 'set/birds'}",
        f"the archives in {tmp_path / 'downloads'} (0.0 MB) may be deleted now",
    ]


def test_a_second_call_asks_for_nothing_and_writes_nothing(birds, site, tmp_path):
    fetch(birds, tmp_path)
    (tmp_path / "downloads" / "b.tgz").unlink()  # the reader wanted the space
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    fetch(birds, tmp_path)
    assert len(site.log) == 4
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    (tmp_path / "set/labels.txt").write_bytes(b"3\n4\n")
    with pytest.raises(StorageError, match="labels.txt is not the file that .* move it away"):
        fetch(birds, tmp_path)


def test_an_archive_in_the_downloads_is_not_fetched_again(birds, site, tmp_path):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/b.tgz").write_bytes(ARCHIVE)  # stopped before unpacking, or a browser
    fetch(birds, tmp_path)
    assert [path for path, _ in site.log] == ["/labels", "/extra", "/extra"]
    assert (tmp_path / "set/birds/1.jpg").read_bytes() == b"one"


def test_a_tampered_or_partly_downloaded_archive_is_never_unpacked(birds, site, tmp_path):
    evil = tar_of({"birds/1.jpg": b"evil"})
    evil += bytes(len(ARCHIVE) - len(evil))  # of the same size
    site.script["/b.tgz"] = [{"body": evil}, {"cut": 50}, {"cut": 0}]
    for error in ("its checksum is .* it was deleted", "no more of .* goes on there"):
        with pytest.raises(StorageError, match=error):
            fetch(birds, tmp_path)
        assert not (tmp_path / "set").exists()
    fetch(birds, tmp_path)
    assert site.ranges()[3] == "bytes=50-" and (tmp_path / "set/birds/1.jpg").exists()


def test_what_is_optional_costs_a_note_and_the_others_are_left_alone(birds, site, tmp_path, capsys):
    fetch(with_manual(birds, optional=True), tmp_path)
    assert "optional files: m.zip (m): open http://page/ and put it at" in capsys.readouterr().err
    del site.files["/extra"]
    site.log.clear()
    fetch(birds, tmp_path / "other")
    assert [path for path, _ in site.log] == ["/b.tgz", "/labels", "/extra"]
    err = capsys.readouterr().err
    assert err.startswith("note: going on without optional files: ") and "answers 404" in err


def test_two_at_once_fetch_once(birds, site, tmp_path):
    site.script["/b.tgz"] = [{"then": lambda: time.sleep(0.4)}]
    threads = [threading.Thread(target=fetch, args=(birds, tmp_path)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path for path, _ in site.log) == ["/b.tgz", "/extra", "/extra", "/labels"]
    assert (tmp_path / "set/birds/2.jpg").read_bytes() == b"two"


def test_files_for_a_browser_are_all_named_and_then_unpacked_once(birds, tmp_path):
    source = with_manual(birds)
    places = [
        f"{n}.zip ({n}): open http://page/ and put it at {tmp_path}/downloads/{n}.zip" for n in "mn"
    ]
    with pytest.raises(StorageError) as caught:
        fetch(source, tmp_path)
    said = "; ".join(places)
    assert str(caught.value) == f"birds is not complete: {said}; then run the same command again"
    assert (tmp_path / "set/birds/2.jpg").exists()  # the rest is done
    put_zips(tmp_path, m=["val/1.png", "val/2.png"], n=["val/3.png"])
    assert source.files[-1].step(tmp_path) == f"to unpack: {tmp_path}/downloads/n.zip"
    fetch(source, tmp_path)
    masks = {path: path.stat().st_mtime_ns for path in tmp_path.glob("masks/val/*")}
    assert sorted(path.name for path in masks) == ["1.png", "2.png", "3.png"]
    fetch(source, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("masks/val/*")} == masks


def test_the_wrong_archive_by_hand(birds, tmp_path):
    put_zips(tmp_path, m=["holiday/1.png"], n=["val/3.png"])
    with pytest.raises(StorageError, match="m.zip holds no val/1.png"):
        fetch(with_manual(birds), tmp_path)
    assert os.listdir(tmp_path / "masks") == ["val"]


def test_a_root_that_cannot_be_written(birds, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match="cannot write in .*make the folder writable"):
        fetch(birds, tmp_path / "file")


# ---- the registry as it stands

NAMES = ("cub", "openimages", "flowers", "pets", "voc")


def test_addresses_and_checksums_are_those_of_torchvision():
    published = {
        Flowers102._download_url_prefix + name: md5 for name, md5 in Flowers102._file_dict.values()
    }
    published |= dict(OxfordIIITPet._RESOURCES)
    voc = DATASET_YEAR_DICT["2012"]
    published[voc["url"]] = voc["md5"]
    files = {file.url: file for name in NAMES for file in read_source(name).files}
    assert len(published) == 6
    assert {url: files[url].md5 for url in published} == published
    file = files[voc["url"]]
    assert file.name == voc["filename"] and file.place(Path("r")) == Path("r") / voc["base_dir"]


def test_every_entry_is_sound():
    sources = [read_source(name) for name in NAMES]
    files = [file for source in sources for file in source.files]
    fetched = [file for file in files if file.url]
    assert all(file.sha256 or file.md5 for file in fetched if file.holds)
    assert all(file.url.startswith("https://") for file in fetched if not file.sha256)
    assert all(file.bytes > 0 for file in fetched)
    assert all(file.link and file.about and file.probe for file in files if not file.url)
    for where in (File.place, File.staged):
        paths = [where(file, Path("r")) for file in files]
        assert len(set(paths)) == len(paths)
        assert all(".." not in path.parts and path.parts[0] == "r" for path in paths)
    assert {len(file.sha256) for file in files if file.sha256} == {64}
    assert {len(file.md5) for file in files if file.md5} == {32}
    assert read_source("flowers").extent == "548.5 MB to download"
    assert read_source("cub").extent == "1,153.6 MB to download, 1 archive by hand"
    with pytest.raises(StorageError, match="the registry lists no 'fish': it has cub, "):
        read_source("fish")


# ---- the command


class Birds(list):
    """Stands for a loader of photographs: as many images as the folder has."""

    num_classes = 2

    def __init__(self, split, root):
        super().__init__((root / "set" / "birds").glob("*.jpg"))


@pytest.fixture
def project(birds, tmp_path, monkeypatch):
    """Folder of the data of a project whose registry has the data set, and small splits."""
    words = asdict(birds)
    words["files"], words["manual"], name = words["files"][:1], [], words.pop("name")
    home = tmp_path / "project" / "data"
    home.mkdir(parents=True)
    (home / "registry.json").write_text(json.dumps({name: words}))
    monkeypatch.setenv("ENTREG_ROOT", str(home.parent))
    names = {"toy": data.DATASETS["toy"], "birds": lambda split, root: Birds(split, root)}
    for place in (data, data.choice):
        monkeypatch.setattr(place, "DATASETS", names)
    return home


def test_photographs_are_fetched_checked_and_counted(project, site, capsys):
    assert cli.main(["data", "birds"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "birds: two birds",
        "licence: free (http://h/)",
        f"size: 0.0 MB to download; folder: {project}",
    ]
    assert lines[3].startswith(f"to fetch: {site.url('/b.tgz')} ({len(ARCHIVE)} bytes, checksum ")
    assert lines[-3:] == [f"{split:6}     2 images, 2 classes" for split in SPLITS]
    assert cli.main(["data", "birds"]) == 0
    again = capsys.readouterr().out.splitlines()
    assert again[3] == f"nothing to fetch: each part is in {project}" and again[-3:] == lines[-3:]
    assert len(site.log) == 1
    cli.main(["data", "--list"])
    listed = capsys.readouterr().out.splitlines()[1]
    here = "1 of 1 parts here, 2 pictures and masks"
    assert listed == f"birds: two birds (free; 0.0 MB to download; {here})"


def test_a_dry_run_fetches_nothing(project, site, capsys, tmp_path):
    there = tmp_path / "there"
    assert cli.main(["data", "birds", "--dry-run", "--root", str(there)]) == 0
    assert f"-> {there / 'set' / 'birds'}\n" in capsys.readouterr().out
    cli.main(["data", "--list"])
    assert "0.0 MB to download; not here)" in capsys.readouterr().out
    assert cli.main(["data", "toy", "--dry-run", "--root", str(there)]) == 0
    assert "nothing is downloaded" in capsys.readouterr().out
    assert site.log == [] and not there.exists()


@pytest.mark.parametrize("name", data.DRAWN)
def test_a_drawn_world_is_painted_and_nothing_is_written(name, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(SPLITS, "train", 6)
    assert cli.main(["data", name, "--root", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{name}: ") and "(MIT, nothing is downloaded)" in printed
    assert "train      6 images, 8 classes\nval      200 images, 8 classes\n" in printed
    assert not list(tmp_path.iterdir())


def test_list_and_help_name_what_there_is(tmp_path, capsys):
    """Part of a data set, as one's own copy may be, is not called all of it."""
    picture, flowers = tmp_path / "CUB_200_2011/images/001.A/1.jpg", tmp_path / "flowers-102"
    picture.parent.mkdir(parents=True)
    (flowers / "jpg").mkdir(parents=True)
    for file in (picture, picture.with_name("about.txt"), flowers / "setid.mat"):
        file.touch()
    assert cli.main(["data", "--list", "--root", str(tmp_path)]) == 0
    said = {line.split(":")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert list(said) == list(data.DATASETS) and said["pets"].endswith("; not here)")
    assert said["cub"].endswith("; 1 of 14 parts here, 1 pictures and masks)")
    lacking = "it cannot be read without 102segmentations.tgz, imagelabels.mat)"
    assert said["flowers"].endswith(f"; 2 of 4 parts here, 0 pictures and masks; {lacking}")
    assert cli.main(["data", "fish"]) == cli.main(["data"]) == 1
    assert capsys.readouterr().err.count("name a data set (toy, shoal, cub") == 2
    with pytest.raises(SystemExit):
        cli.main(["data", "--help"])
    printed = capsys.readouterr().out
    assert all(option in printed for option in ("--root", "--list", "--dry-run"))
