"""Files are whole or not there, whatever the disk, the system or Ctrl-C does."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from entreg_utils import files
from entreg_utils.files import (
    StorageError,
    atomic_write,
    read_bytes,
    read_checked,
    sha256,
    write_checked,
)


def test_bytes_and_text_arrive_with_their_folder(tmp_path):
    path = tmp_path / "a" / "b" / "note.txt"
    assert atomic_write(path, "né") == path
    assert path.read_bytes() == b"n\xc3\xa9"
    atomic_write(str(path), b"\x00\r\n")
    assert path.read_bytes() == b"\x00\r\n"
    assert os.listdir(path.parent) == ["note.txt"] and path.stat().st_mode & 0o777 == 0o644
    long = atomic_write(tmp_path / ("ä" * 127), "text")  # 254 bytes, as long as the system has it
    assert long.read_text() == "text"


CHILD = """
import resource, sys
from entreg_utils.files import StorageError, atomic_write
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    atomic_write(sys.argv[1], bytes(200_000))
except StorageError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes")
def test_a_disk_that_takes_no_more_leaves_the_old_file(tmp_path):
    path = tmp_path / "record.json"
    path.write_text("old")
    command = [sys.executable, "-c", CHILD, str(path)]
    said = subprocess.check_output(command, cwd=Path(__file__).parents[1], text=True)
    assert said == (
        f"no room for record.json (0.2 MB) in {tmp_path}: free some space and run the same command "
        "again; what was stored before is untouched\n"
    )
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["record.json"]


ROOM = "no room for record.json"
READ_ONLY = "cannot write .*record.json: Read-only file system; make the folder writable"


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize(
    ("number", "sentence"),
    [(errno.ENOSPC, ROOM), (errno.EDQUOT, ROOM), (errno.EROFS, READ_ONLY), (None, None)],
)
def test_every_step_may_fail_or_be_interrupted(tmp_path, monkeypatch, call, number, sentence):
    path = atomic_write(tmp_path / "record.json", "old")

    def fail(*_):
        raise OSError(number, os.strerror(number)) if number else KeyboardInterrupt

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(StorageError if number else KeyboardInterrupt, match=sentence):
        atomic_write(path, "new")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["record.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with a name")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("file/record.json", "a file, or a link .* in the place of a folder; .*RESULTS"),
        ("file/below/record.json", "a file, or a link .* in the place of a folder"),
        ("gone/a/record.json", "a link that leads nowhere, is in the place of a folder"),
        ("ä" * 128, "File name too long; .* or name another one"),
        ("pipe", "pipe is there and is no file: name another"),
        ("to pipe", "pipe is there and is no file: name another"),
        ("folder", "folder is there and is no file: name another"),
    ],
)
def test_where_nothing_can_be_written_nothing_is(tmp_path, name, sentence):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for link, place in {"gone": tmp_path / "unmounted", "to pipe": "pipe"}.items():
        (tmp_path / link).symlink_to(place)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(StorageError, match=sentence):
        atomic_write(tmp_path / name, "new")
    assert sorted(os.listdir(tmp_path)) == before and (tmp_path / "pipe").is_fifo()


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "disk").mkdir()
    atomic_write(tmp_path / "disk" / "a", "old")
    for name, place in {"to": "a", "new": "b"}.items():
        (tmp_path / name).symlink_to(tmp_path / "disk" / place)
        atomic_write(tmp_path / name, "text")
        assert (tmp_path / name).is_symlink() and (tmp_path / "disk" / place).read_text() == "text"


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_of_other_systems_is_text(coding):
    mark = "\ufeff" if coding[-2:] in ("le", "be") else ""
    content = f"{mark}image,x0\r\nfüchse/1.jpg,3\r2\n".encode(coding)
    assert files.text_of(content, "a.csv") == "image,x0\nfüchse/1.jpg,3\n2\n"


def test_what_is_no_text_says_how_it_is_saved():
    for content in ("fü".encode("latin-1"), "a,b".encode("utf-16-le"), b"\xff\xfe\x00"):
        with pytest.raises(StorageError, match="a.csv is no UTF-8 text: save it as UTF-8"):
            files.text_of(content, "a.csv")


def test_checked_files_come_back_and_what_cannot_be_read_is_said(tmp_path):
    path = tmp_path / "checkpoint"
    for content in (b"", b"weights", bytes(1000)):
        write_checked(path, content)
        assert read_checked(path) == content
    assert path.read_bytes() == sha256(bytes(1000)).encode() + bytes(1000)
    assert read_checked(tmp_path / "nothing") is read_bytes(path / "below a file") is None
    for place, why in ((tmp_path, "Is a directory"), (tmp_path / ("x" * 300), "File name too")):
        with pytest.raises(StorageError, match=f"cannot read {place}: {why}.*; make it readable"):
            read_checked(place)


@pytest.mark.parametrize("damage", [0, 63, 64, -1, "cut", b"", b"short", b"0" * 64 + b"weights"])
def test_one_changed_byte_a_cut_and_another_format_are_noticed(tmp_path, damage):
    path = write_checked(tmp_path / "x", b"weights")
    raw = bytearray(path.read_bytes())
    if isinstance(damage, int):
        raw[damage] ^= 1
    path.write_bytes(raw if isinstance(damage, int) else raw[:-1] if damage == "cut" else damage)
    with pytest.raises(StorageError, match=r"x is damaged \(its SHA-256 does not fit\): delete it"):
        read_checked(path)


def test_a_checkout_reads_and_writes_in_its_own_folder(monkeypatch):
    monkeypatch.delenv("ENTREG_ROOT", raising=False)
    monkeypatch.delenv("ENTREG_RESULTS", raising=False)
    root = Path(__file__).parents[1]
    assert files.checkout() == files.project_root() == root
    assert files.shipped("data", "registry.json") == files.own("data", "registry.json")
    assert files.results("figures") == root / "results" / "figures"


def test_a_root_elsewhere_is_written_to_and_read_where_it_holds_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ENTREG_ROOT", "~/there")
    monkeypatch.setenv("ENTREG_RESULTS", "~/results")
    there = tmp_path / "there"
    assert files.own("data") == there / "data" and files.project_root() == there
    assert files.results("a") == tmp_path / "results" / "a"
    assert atomic_write("~/results/a", "text") == tmp_path / "results" / "a"
    assert read_bytes("~/results/a") == b"text" and files.expand("a~/~") == Path("a~/~")
    assert files.expand("~nobody-has-this-name/a") == Path("~nobody-has-this-name/a")
    with monkeypatch.context() as patch:
        patch.setattr(os.path, "expanduser", lambda path: path)  # no HOME, an unknown user
        for use in (files.own, files.results, lambda: atomic_write("~/a", "text")):
            with pytest.raises(StorageError, match="no home folder for ~/.*write it in full"):
                use()
    assert files.shipped("data", "runs") == Path(__file__).parents[1] / "data" / "runs"
    (there / "data" / "runs").mkdir(parents=True)
    assert files.shipped("data", "runs") == there / "data" / "runs"
