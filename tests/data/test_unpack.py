"""Archives that are whole, torn, malicious or not archives at all."""

import contextlib
import errno
import io
import os
import tarfile
import tempfile
import zipfile

import pytest

from entreg_utils.data import download
from entreg_utils.data.download import unpack
from entreg_utils.files import StorageError

MODES = ["w", "w:gz", "w:bz2", "w:xz", "zip"]
CONTENT = {"birds/a/one.jpg": b"1" * 5000, "birds/b/two.jpg": b"22", "readme.txt": b"read"}


def make(path, mode="w:gz", content=CONTENT, extra=()):
    """A tar of a mode of tarfile, or a zip."""
    if mode == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, mode) as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in extra:
            tar.addfile(info)
    return path


def tree(folder):
    return {
        str(path.relative_to(folder)).replace(os.sep, "/"): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def empty(folder):
    return not folder.exists() or os.listdir(folder) == []


@pytest.mark.parametrize("mode", MODES)
def test_all_or_what_is_wanted_is_unpacked(tmp_path, mode):
    path = make(tmp_path / "named.anything", mode)
    assert unpack(path, tmp_path / "out") == tmp_path / "out" and tree(tmp_path / "out") == CONTENT
    target = unpack(path, tmp_path / "some", holds="birds/a")
    assert target == tmp_path / "some" / "birds" / "a"
    assert tree(tmp_path / "some") == {"birds/a/one.jpg": CONTENT["birds/a/one.jpg"]}


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no second file system")
@pytest.mark.parametrize("linked", ["birds", "birds/a"])
def test_a_folder_may_be_a_link_to_another_disk(tmp_path, linked):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        link = tmp_path / "out" / linked
        link.parent.mkdir(parents=True)
        link.symlink_to(other)
        for holds in ("birds/a", "birds/b"):
            unpack(make(tmp_path / "x"), tmp_path / "out", holds=holds)
        for name, content in list(CONTENT.items())[:2]:
            assert (tmp_path / "out" / name).read_bytes() == content
        assert link.is_symlink() and sorted(os.listdir(tmp_path / "out" / "birds")) == ["a", "b"]


def test_two_archives_are_merged_and_the_later_one_wins(tmp_path):
    out = tmp_path / "out"
    unpack(make(tmp_path / "1"), out)
    unpack(make(tmp_path / "2", "zip", {"birds/a/mask.png": b"m", "birds/b/two.jpg": b"new"}), out)
    assert tree(out) == CONTENT | {"birds/a/mask.png": b"m", "birds/b/two.jpg": b"new"}


def test_the_wrong_archive_is_dropped(tmp_path):
    with pytest.raises(StorageError, match="holds no fish: it is the wrong"):
        unpack(make(tmp_path / "x"), tmp_path / "out", holds="fish")
    with pytest.raises(StorageError, match="holds no birds/c: it is the wrong"):
        unpack(make(tmp_path / "y", "zip"), tmp_path / "out", probe="birds/c")
    assert empty(tmp_path / "out")
    unpack(tmp_path / "y", tmp_path / "out", probe="birds/b/two.jpg")
    assert tree(tmp_path / "out") == CONTENT


OUTSIDE = ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:/evil"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("mode", ["w:gz", "zip"])
def test_no_member_leaves_the_folder(tmp_path, mode, name):
    folder = tmp_path / "a" / "out"
    with contextlib.suppress(StorageError):  # refused, or brought inside
        unpack(make(tmp_path / "x", mode, CONTENT | {name: b"evil"}), folder)
    assert not [p for p in tmp_path.rglob("*evil") if not p.is_relative_to(folder)]
    assert not os.path.exists("/tmp/evil")


@pytest.mark.parametrize(
    ("kind", "target"),
    [(tarfile.SYMTYPE, "a"), (tarfile.LNKTYPE, "/etc/hostname"), (tarfile.CHRTYPE, "")],
)
def test_links_and_devices_are_refused(tmp_path, kind, target):
    bad = tarfile.TarInfo("birds/link")
    bad.type, bad.linkname = kind, target
    with pytest.raises(StorageError, match="is refused: .*birds/link"):
        unpack(make(tmp_path / "x", extra=[bad]), tmp_path / "out")
    assert empty(tmp_path / "out")


def flipped(data):
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 255]) + data[len(data) // 2 + 1 :]


SPOILED = {
    "empty": lambda data: b"",
    "cut early": lambda data: data[: int(0.3 * len(data))],
    "cut late": lambda data: data[: int(0.6 * len(data))],
    "a web page": lambda data: b"<html>please log in</html>" * 100,
}


@pytest.mark.parametrize(
    ("mode", "spoil"),
    [(mode, spoil) for mode in MODES for spoil in SPOILED.values()]
    + [("w:gz", flipped), ("zip", flipped)],
)
def test_a_damaged_archive_is_refused(tmp_path, mode, spoil):
    path = make(tmp_path / "x", mode, {f"birds/{i}": os.urandom(3000) for i in range(20)})
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(StorageError, match="cut short, damaged or no tar or zip; delete it"):
        unpack(path, tmp_path / "out")
    assert empty(tmp_path / "out")


@pytest.mark.parametrize(
    ("mode", "room", "error"),
    [
        ("w:gz", download.tarfile, OSError(errno.ENOSPC, "No space left on device")),
        ("zip", download.shutil, KeyboardInterrupt()),
    ],
)
def test_a_full_disk_and_ctrl_c_leave_nothing(tmp_path, monkeypatch, mode, room, error):
    def stop(*_, **__):
        raise error

    path = make(tmp_path / "x", mode)
    monkeypatch.setattr(room, "copyfileobj", stop)
    with pytest.raises((StorageError, KeyboardInterrupt), match="No space left .*free some|^$"):
        unpack(path, tmp_path / "out")
    assert empty(tmp_path / "out") and path.exists()
