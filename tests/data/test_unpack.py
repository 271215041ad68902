"""Archives that are whole, torn, malicious or not archives at all."""

import contextlib
import errno
import io
import os
import stat
import tarfile
import tempfile
import zipfile

import pytest

from entreg_utils.data import download
from entreg_utils.data.download import unpack
from entreg_utils.files import StorageError

CONTENT = {"birds/a/one.jpg": b"1" * 5000, "birds/b/two.jpg": b"22", "readme.txt": b"read"}


def make_tar(path, content=CONTENT, mode="w:gz", extra=()):
    with tarfile.open(path, mode) as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in extra:
            tar.addfile(info)
    return path


def make_zip(path, content=CONTENT):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def tree(folder):
    return {
        str(path.relative_to(folder)).replace(os.sep, "/"): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def empty(folder):
    return not folder.exists() or os.listdir(folder) == []


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_everything_is_unpacked(tmp_path, mode):
    path = tmp_path / "named.anything"
    make_zip(path) if mode == "zip" else make_tar(path, mode=mode)
    assert unpack(path, tmp_path / "out") == tmp_path / "out"
    assert tree(tmp_path / "out") == CONTENT


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no second file system")
@pytest.mark.parametrize("linked", ["birds", "birds/a"])
def test_a_folder_may_be_a_link_to_another_disk(tmp_path, linked):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        link = tmp_path / "out" / linked
        link.parent.mkdir(parents=True)
        link.symlink_to(other)
        for holds in ("birds/a", "birds/b"):
            unpack(make_tar(tmp_path / "x"), tmp_path / "out", holds=holds)
        for name, content in list(CONTENT.items())[:2]:
            assert (tmp_path / "out" / name).read_bytes() == content
        assert link.is_symlink() and sorted(os.listdir(tmp_path / "out" / "birds")) == ["a", "b"]


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_only_what_is_wanted_is_kept(tmp_path, make):
    target = unpack(make(tmp_path / "x"), tmp_path / "out", holds="birds/a")
    assert target == tmp_path / "out" / "birds" / "a"
    assert tree(tmp_path / "out") == {"birds/a/one.jpg": CONTENT["birds/a/one.jpg"]}


def test_two_archives_are_merged_and_the_later_one_wins(tmp_path):
    out = tmp_path / "out"
    unpack(make_tar(tmp_path / "1"), out)
    unpack(make_zip(tmp_path / "2", {"birds/a/mask.png": b"m", "birds/b/two.jpg": b"new"}), out)
    assert tree(out) == CONTENT | {"birds/a/mask.png": b"m", "birds/b/two.jpg": b"new"}


def test_the_wrong_archive_is_dropped(tmp_path):
    with pytest.raises(StorageError, match="holds no fish: it is the wrong"):
        unpack(make_tar(tmp_path / "x"), tmp_path / "out", holds="fish")
    with pytest.raises(StorageError, match="holds no birds/c: it is the wrong"):
        unpack(make_zip(tmp_path / "y"), tmp_path / "out", probe="birds/c")
    assert empty(tmp_path / "out")
    unpack(tmp_path / "y", tmp_path / "out", probe="birds/b/two.jpg")
    assert tree(tmp_path / "out") == CONTENT


OUTSIDE = ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:/evil"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_no_member_leaves_the_folder(tmp_path, make, name):
    folder = tmp_path / "a" / "out"
    with contextlib.suppress(StorageError):  # refused, or brought inside
        unpack(make(tmp_path / "x", CONTENT | {name: b"evil"}), folder)
    assert not [p for p in tmp_path.rglob("*evil") if not p.is_relative_to(folder)]
    assert not os.path.exists("/tmp/evil")


@pytest.mark.parametrize(
    ("kind", "target"),
    [(tarfile.SYMTYPE, "../../x"), (tarfile.LNKTYPE, "/etc/hostname"), (tarfile.CHRTYPE, "")],
)
def test_links_that_leave_and_devices_are_refused(tmp_path, kind, target):
    bad = tarfile.TarInfo("birds/link")
    bad.type, bad.linkname = kind, target
    with pytest.raises(StorageError, match="is refused: .*birds/link"):
        unpack(make_tar(tmp_path / "x", extra=[bad]), tmp_path / "out")
    assert empty(tmp_path / "out")


def test_a_link_of_a_zip_becomes_a_file(tmp_path):
    path = make_zip(tmp_path / "x")
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("birds/link")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc")
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out/birds/link").read_text() == "/etc"
    assert not (tmp_path / "out/birds/link").is_symlink()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6])
def test_a_cut_archive_is_refused(tmp_path, mode, keep):
    content = {f"birds/{i}": os.urandom(3000) for i in range(20)}
    path = tmp_path / "x"
    make_zip(path, content) if mode == "zip" else make_tar(path, content, mode=mode)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(StorageError, match="cut short, damaged or no tar or zip; delete it"):
        unpack(path, tmp_path / "out")
    assert empty(tmp_path / "out")


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_flipped_bytes_are_noticed(tmp_path, make):
    path = make(tmp_path / "x", {"noise": os.urandom(20_000)})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(StorageError, match="cut short, damaged"):
        unpack(path, tmp_path / "out")
    assert empty(tmp_path / "out")


def test_a_web_page_is_no_archive(tmp_path):
    (tmp_path / "x").write_text("<html>please log in</html>" * 100)
    with pytest.raises(StorageError, match="cut short, damaged or no tar or zip"):
        unpack(tmp_path / "x", tmp_path / "out")


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    path = make_tar(tmp_path / "x")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download.tarfile, "copyfileobj", full)
    with pytest.raises(StorageError, match="No space left on device; free some space"):
        unpack(path, tmp_path / "out")
    assert empty(tmp_path / "out") and path.exists()


def test_ctrl_c_leaves_nothing(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(download.shutil, "copyfileobj", stop)
    with pytest.raises(KeyboardInterrupt):
        unpack(make_zip(tmp_path / "x"), tmp_path / "out")
    assert empty(tmp_path / "out")


def test_no_archive_and_no_folder(tmp_path):
    with pytest.raises(StorageError, match="cannot unpack .*No such file"):
        unpack(tmp_path / "none", tmp_path / "out")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match="cannot unpack"):
        unpack(make_tar(tmp_path / "x"), tmp_path / "file")
