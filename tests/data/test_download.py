"""Downloads against a server that drops, truncates, corrupts, refuses and changes its mind."""

import hashlib
import os
import time

import pytest
import requests

from entreg_utils.data import download as module
from entreg_utils.data.download import download
from entreg_utils.files import StorageError

BODY = bytes(range(256)) * 4000  # 1,024,000 bytes
SHA = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()
WRONG = {"body": BODY[:-1] + b"!"}


@pytest.fixture
def fetch(site, tmp_path):
    site.files["/a.tgz"] = BODY

    def call(checksum=SHA):
        return download(site.url("/a.tgz"), call.path, len(BODY), checksum)

    call.path = tmp_path / "deep" / "a.tgz"
    call.part = tmp_path / "deep" / "a.tgz.part"
    call.path.parent.mkdir()
    return call


def alone(path):
    """Whether the right file is there and nothing else lies around it."""
    return os.listdir(path.parent) == [path.name] and path.read_bytes() == BODY


@pytest.mark.parametrize("known", [SHA, MD5, ""])
def test_a_file_comes_whole_and_only_once(fetch, site, known):
    assert fetch(known) == fetch.path and alone(fetch.path)
    fetch(known)
    assert site.ranges() == [None]


def test_a_dropped_connection_is_continued(fetch, site):
    site.script["/a.tgz"] = [{"cut": 300_000}, {"cut": 200_000}]
    fetch()
    assert alone(fetch.path)
    assert site.ranges() == [None, "bytes=300000-", "bytes=500000-"]


def test_a_try_that_brings_nothing_is_the_last_and_the_part_stays(fetch, site):
    site.script["/a.tgz"] = [{"cut": 1000}, {"cut": 0}]
    with pytest.raises(StorageError, match="0 bytes read, .*again later, it goes on there; or put"):
        fetch()
    assert fetch.part.read_bytes() == BODY[:1000] and not fetch.path.exists()
    fetch()  # the next call
    assert site.ranges() == [None, "bytes=1000-", "bytes=1000-"] and alone(fetch.path)


@pytest.mark.parametrize("cut", [300_000, 0])
def test_a_server_without_ranges_is_read_from_the_start_and_not_for_ever(fetch, site, cut):
    site.script["/a.tgz"] = [{"cut": cut, "no_range": True}] * 9
    with pytest.raises(StorageError, match="no more of "):
        fetch()
    site.script["/a.tgz"] = [{"no_range": True}]
    fetch()
    assert alone(fetch.path)


@pytest.mark.parametrize("there", [BODY[:1000], b"x" * (len(BODY) + 5)])
def test_without_a_checksum_or_too_long_nothing_is_continued(fetch, site, there):
    fetch.part.write_bytes(there)
    fetch(SHA if len(there) > 1000 else "")
    assert site.ranges() == [None] and alone(fetch.path)


@pytest.mark.parametrize("target", ["/a.tgz", "file:///etc/hostname"])
def test_redirects_that_lead_nowhere_end(fetch, site, target):
    site.script["/a.tgz"] = [{"status": 302, "headers": {"Location": target}}] * 40
    with pytest.raises(StorageError, match="a.tgz cannot be fetched: "):
        fetch()


def test_a_redirect_may_not_leave_encryption(fetch, site, monkeypatch):
    plain, there = requests.Session.get, site.url("/a.tgz")
    monkeypatch.setattr(requests.Session, "get", lambda own, url, **how: plain(own, there, **how))
    with pytest.raises(StorageError, match="https://h/a redirects to http.*which is not encrypted"):
        download("https://h/a", fetch.path, 1)


def test_silence_and_a_host_that_is_not_there_are_broken_connections(fetch, site, monkeypatch):
    monkeypatch.setattr(module, "RETRIES", 0)
    monkeypatch.setattr(module, "TIMEOUT", 0.1)
    site.script["/a.tgz"] = [{"then": lambda: time.sleep(0.5)}]
    with pytest.raises(StorageError, match="no more of .*timed out"):
        fetch()
    with pytest.raises(StorageError, match="no more of http://127.0.0.1:9/x came .*refused"):
        download("http://127.0.0.1:9/x", fetch.path, 1)
    assert os.listdir(fetch.path.parent) == []


def test_busy_servers_are_asked_again_and_those_that_refuse_are_not(fetch, site):
    for code in (401, 404, 410):
        site.script["/a.tgz"] = [{"status": code}]
        with pytest.raises(StorageError, match=f"cannot be fetched: the server answers {code} "):
            fetch()
    assert len(site.log) == 3
    site.script["/a.tgz"] = [{"status": code} for code in (429, 503, 500)]
    fetch()
    assert len(site.log) == 7 and alone(fetch.path)
    site.script["/a.tgz"] = [{"status": 503}] * 9
    fetch.path.unlink()
    with pytest.raises(StorageError, match="cannot be fetched: the server answers 503 "):
        fetch()
    assert len(site.log) == 12


@pytest.mark.parametrize("known", [SHA, MD5])
def test_a_corrupted_file_is_deleted_and_never_taken(fetch, site, known):
    fetch.part.write_bytes(b"x" * 1000)  # the checksum tells whether parts belong together
    for _ in range(2):
        with pytest.raises(StorageError, match=f"its checksum is .*, not {known}.: it was deleted"):
            fetch(known)
        assert os.listdir(fetch.path.parent) == []
        site.script["/a.tgz"] = [WRONG]
    site.script.clear()
    fetch(known)
    assert site.ranges() == ["bytes=1000-", None, None] and alone(fetch.path)


def test_the_known_size_counts_and_another_one_is_refused_before_a_byte_is_stored(fetch, site):
    fetch.part.write_bytes(BODY[:1000])
    site.script["/a.tgz"] = [{"body": b"<html>please log in</html>", "no_range": True}]
    with pytest.raises(StorageError, match="offers 26 bytes where the file has 1024000"):
        fetch()
    assert fetch.part.read_bytes() == BODY[:1000]  # it was not the page's fault
    site.script["/a.tgz"] = [{"no_length": True, "cut": 5000}, {"no_length": True, "cut": 0}]
    with pytest.raises(StorageError, match="no more of .* came .the server ends early"):
        fetch()
    site.script["/a.tgz"] = [{"no_length": True, "no_range": True, "body": BODY + b"more"}]
    with pytest.raises(StorageError, match="1024004 bytes instead of 1024000"):
        fetch()
    site.script["/a.tgz"] = [{"no_length": True}]
    fetch()
    assert alone(fetch.path)


def test_a_file_in_the_place_is_not_overwritten_and_a_whole_part_is_taken(fetch, site):
    fetch.path.write_text("mine")
    with pytest.raises(StorageError, match="is not the file that .*4 bytes instead of 1024000"):
        fetch()
    assert fetch.path.read_text() == "mine"
    fetch.path.unlink()
    fetch.part.write_bytes(BODY)
    fetch()
    assert site.log == [] and alone(fetch.path)


def test_a_full_disk_leaves_a_part_that_the_next_call_continues(fetch, site):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, before[1]))  # the system refuses the rest
    try:
        with pytest.raises(StorageError, match="cannot write .*a.tgz.part: .*free some space"):
            fetch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not fetch.path.exists() and fetch.part.read_bytes() == BODY[:700_000]
    fetch()
    assert site.ranges()[-1] == "bytes=700000-" and alone(fetch.path)
