"""Data sets brought into their folder from a server on this machine, step by step."""

import hashlib
import io
import os
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest
from torchvision.datasets import Flowers102, OxfordIIITPet
from torchvision.datasets.voc import DATASET_YEAR_DICT

from entreg_utils.data.fetch import ManualFile, RemoteFile, Source, fetch, plan, read_source
from entreg_utils.files import StorageError


def tar_of(content):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


ARCHIVE = tar_of({"birds/1.jpg": b"one", "birds/2.jpg": b"two", "about.txt": b"dropped"})
LABELS = b"1\n2\n"


@pytest.fixture
def birds(site):
    """A data set of one archive, one checked and one unchecked plain file."""
    site.files |= {"/b.tgz": ARCHIVE, "/labels": LABELS, "/extra": b"extra"}
    files = (
        RemoteFile(
            url=site.url("/b.tgz"),
            name="b.tgz",
            unpack_to="set",
            holds="birds",
            bytes=len(ARCHIVE),
            sha256=hashlib.sha256(ARCHIVE).hexdigest(),
        ),
        RemoteFile(
            url=site.url("/labels"),
            name="labels.txt",
            unpack_to="set",
            md5=hashlib.md5(LABELS).hexdigest(),
        ),
        RemoteFile(
            url=site.url("/extra"), name="extra.txt", unpack_to="set/lists", bytes=5, optional=True
        ),
    )
    return Source("birds", "two birds", "free", "http://h/", files, ())


def with_manual(source, optional=False):
    manual = ManualFile("m.zip", "http://page/", "the masks", "masks", "val/1.png", optional)
    return Source("birds", "two birds", "free", "http://h/", source.files, (manual,))


def put_zip(root, names=("val/1.png", "val/2.png"), content=b"mask"):
    path = root / "downloads" / "m.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return path


def test_everything_is_in_its_place_after_one_call(birds, site, tmp_path, capsys):
    lines = plan(birds, tmp_path)
    assert lines[0] == (
        f"to fetch: {site.url('/b.tgz')} ({len(ARCHIVE)} bytes; sha256 {birds.files[0].sha256}) -> "
        f"{tmp_path / 'set' / 'birds'}"
    )
    assert "(size not known; md5 " in lines[1] and "(5 bytes; no checksum pub" in lines[2]
    assert os.listdir(tmp_path) == []  # a plan writes nothing
    fetch(birds, tmp_path)
    assert sorted(os.listdir(tmp_path / "set")) == ["birds", "labels.txt", "lists"]
    assert (tmp_path / "set/birds/2.jpg").read_bytes() == b"two"
    assert (tmp_path / "set/labels.txt").read_bytes() == LABELS
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        f"b.tgz: its sha256 {birds.files[0].sha256} is right; unpacked to {tmp_path / 'set/birds'}",
        f"the archives in {tmp_path / 'downloads'} ({len(ARCHIVE)} bytes) may be deleted now",
    ]
    assert "extra.txt: no checksum published: not verified, only its size is" in captured.err


def test_a_second_call_asks_for_nothing(birds, site, tmp_path):
    fetch(birds, tmp_path)
    (tmp_path / "downloads" / "b.tgz").unlink()  # the reader wanted the space
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    fetch(birds, tmp_path)
    assert len(site.log) == 3
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert plan(birds, tmp_path) == [f"nothing to fetch: all of it is in {tmp_path}"]


def test_what_is_there_is_taken_as_it_is_and_nothing_is_written(birds, site, tmp_path):
    (tmp_path / "set/birds").mkdir(parents=True)
    (tmp_path / "set/lists").mkdir()
    (tmp_path / "set/labels.txt").write_bytes(LABELS)
    (tmp_path / "set/lists/extra.txt").write_bytes(b"extra")
    fetch(birds, tmp_path)
    assert site.log == [] and os.listdir(tmp_path) == ["set"]
    (tmp_path / "set/labels.txt").write_bytes(b"3\n")
    with pytest.raises(StorageError, match="labels.txt is not the file that .* move it away"):
        fetch(birds, tmp_path)


def test_an_archive_in_the_downloads_is_not_fetched_again(birds, site, tmp_path):
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/b.tgz").write_bytes(ARCHIVE)  # stopped before unpacking, or a browser
    fetch(birds, tmp_path)
    assert [path for path, _ in site.log] == ["/labels", "/extra"]
    assert (tmp_path / "set/birds/1.jpg").read_bytes() == b"one"


def test_a_tampered_archive_is_never_unpacked(birds, site, tmp_path):
    evil = tar_of({"birds/1.jpg": b"evil"})
    site.script["/b.tgz"] = [{"body": evil + bytes(len(ARCHIVE) - len(evil))}]  # of the same size
    with pytest.raises(StorageError, match="sha256 .* it was deleted"):
        fetch(birds, tmp_path)
    assert not (tmp_path / "set").exists()
    assert os.listdir(tmp_path / "downloads") in ([".birds.lock"], [])
    fetch(birds, tmp_path)
    assert (tmp_path / "set/birds/1.jpg").read_bytes() == b"one"


def test_a_partly_downloaded_archive_is_never_unpacked(birds, site, tmp_path):
    site.script["/b.tgz"] = [{"cut": 50}] + [{"cut": 0}] * 4
    with pytest.raises(StorageError, match="it goes on at byte 50"):
        fetch(birds, tmp_path)
    assert not (tmp_path / "set").exists()
    fetch(birds, tmp_path)
    assert site.ranges()[5] == "bytes=50-" and (tmp_path / "set/birds/2.jpg").exists()


def test_what_is_optional_costs_a_note_and_its_host_is_left_alone(birds, site, tmp_path, capsys):
    del site.files["/extra"]
    more = RemoteFile(site.url("/more"), "more.txt", "set/lists", optional=True)
    source = Source("birds", "", "", "", (*birds.files, more), ())
    fetch(source, tmp_path)
    assert [path for path, _ in site.log] == ["/b.tgz", "/labels", "/extra"]
    err = capsys.readouterr().err
    assert err.startswith(
        f"note: going on without {tmp_path / 'set/lists/extra.txt'} and what else"
    )
    assert "answers 404" in err


def test_two_at_once_fetch_once(birds, site, tmp_path, capsys):
    site.script["/b.tgz"] = [{"then": lambda: time.sleep(0.4)}]
    threads = [threading.Thread(target=fetch, args=(birds, tmp_path)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path for path, _ in site.log) == ["/b.tgz", "/extra", "/labels"]
    assert "another process fetches birds: waiting for it" in capsys.readouterr().err
    assert (tmp_path / "set/birds/2.jpg").read_bytes() == b"two"


def test_files_for_a_browser_are_named_with_page_and_place(birds, tmp_path):
    source = with_manual(birds)
    place = tmp_path / "downloads" / "m.zip"
    assert plan(source, tmp_path)[-1] == (
        f"by hand: m.zip (the masks): open http://page/ and put it at {place}"
    )
    with pytest.raises(StorageError, match="birds is not complete, .* open http://page/ and put"):
        fetch(source, tmp_path)
    assert (tmp_path / "set/birds/2.jpg").exists()  # the rest is done
    put_zip(tmp_path)
    assert plan(source, tmp_path) == [f"to unpack: {place}"]
    fetch(source, tmp_path)
    assert (tmp_path / "masks/val/2.png").read_bytes() == b"mask"


def test_an_archive_by_hand_is_unpacked_once(birds, tmp_path):
    source = with_manual(birds)
    put_zip(tmp_path)
    fetch(source, tmp_path)
    mask = tmp_path / "masks/val/1.png"
    before = mask.stat().st_mtime_ns
    fetch(source, tmp_path)
    assert mask.stat().st_mtime_ns == before
    put_zip(tmp_path, content=b"a newer mask")
    fetch(source, tmp_path)
    assert mask.read_bytes() == b"a newer mask"


def test_the_wrong_archive_by_hand(birds, tmp_path):
    put_zip(tmp_path, names=["holiday/1.png"])
    with pytest.raises(StorageError, match="m.zip holds no val/1.png"):
        fetch(with_manual(birds), tmp_path)
    assert os.listdir(tmp_path / "masks") == []


def test_unpacked_by_hand_is_good_too(birds, tmp_path):
    (tmp_path / "masks/val").mkdir(parents=True)
    (tmp_path / "masks/val/1.png").write_bytes(b"mask")
    fetch(with_manual(birds), tmp_path)


def test_an_optional_file_for_a_browser_costs_a_note(birds, tmp_path, capsys):
    fetch(with_manual(birds, optional=True), tmp_path)
    assert "note: m.zip (the masks): open http://page/ and put it at" in capsys.readouterr().err


def test_a_root_that_cannot_be_written(birds, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match="cannot write in .*name another folder with --root"):
        fetch(birds, tmp_path / "file")


def test_optional_files_do_not_ask_for_a_root_that_can_be_written(birds, site, tmp_path, capsys):
    fetch(birds, tmp_path)
    (tmp_path / "set/lists/extra.txt").unlink()
    for path in (tmp_path / "downloads").iterdir():
        path.unlink()
    (tmp_path / "downloads").rmdir()
    (tmp_path / "downloads").write_text("no folder")  # as good as a read-only disk, also for root
    capsys.readouterr()
    fetch(birds, tmp_path)
    assert "note: going on without 1 optional files: cannot write in" in capsys.readouterr().err
    (tmp_path / "set/labels.txt").unlink()
    with pytest.raises(StorageError, match="cannot write in"):
        fetch(birds, tmp_path)
    assert len(site.log) == 3


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
    assert all(file.sha256 or file.md5 for file in files if file.holds is not None)
    assert all(file.url.startswith("https://") for file in files if not (file.sha256 or file.md5))
    for where in ("place", "staged"):
        paths = [getattr(file, where)(Path("r")) for file in files]
        assert len(set(paths)) == len(paths)
        manual = [getattr(file, where)(Path("r")) for s in sources for file in s.manual]
        for path in paths + manual:
            assert ".." not in path.parts and path.parts[0] == "r"
    assert {len(file.sha256) for file in files if file.sha256} == {64}
    assert {len(file.md5) for file in files if file.md5} == {32}


def test_how_much_there_is_to_fetch():
    assert read_source("flowers").extent == "548.5 MB to download"
    assert read_source("cub").extent == "1,153.6 MB to download, 1 archive by hand"
    unknown = RemoteFile("http://h/a", "a", ".")
    source = Source("x", "", "", "", (unknown, unknown), ())
    assert source.extent == "0.0 MB to download and 2 files of unknown size"


def test_a_registry_that_cannot_be_used(tmp_path, monkeypatch):
    with pytest.raises(StorageError, match="the registry lists no 'fish': it has cub, "):
        read_source("fish")
    monkeypatch.setenv("ENTREG_ROOT", str(tmp_path))
    with pytest.raises(StorageError, match="is not there: .* point ENTREG_ROOT"):
        read_source("cub")
    path = tmp_path / "data" / "registry.json"
    path.parent.mkdir()
    for text in ("{", '{"cub": {"files": [{}], "manual": []}}', '{"cub": {}}'):
        path.write_text(text)
        with pytest.raises(StorageError, match="registry.json cannot be used: "):
            read_source("cub")
