"""Downloads against a server that drops, truncates, corrupts, refuses and changes its mind."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from entreg_utils.data import download as module
from entreg_utils.data.download import download
from entreg_utils.files import StorageError

BODY = bytes(range(256)) * 4000  # 1,024,000 bytes
SHA = hashlib.sha256(BODY).hexdigest()
MD5 = hashlib.md5(BODY).hexdigest()


@pytest.fixture
def fetch(site, tmp_path):
    site.files["/a.tgz"] = BODY

    def call(**options):
        return download(site.url("/a.tgz"), tmp_path / "deep" / "a.tgz", **options)

    call.path = tmp_path / "deep" / "a.tgz"
    call.part = tmp_path / "deep" / "a.tgz.part"
    return call


def alone(path):
    """Whether the file is there and nothing else lies around it."""
    return os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("known", [{}, {"size": len(BODY)}, {"sha256": SHA}, {"md5": MD5}])
def test_a_file_comes_whole_and_only_once(fetch, site, known):
    assert fetch(**known) == fetch.path
    assert fetch.path.read_bytes() == BODY and alone(fetch.path)
    fetch(**known)
    assert len(site.log) == 1 and site.ranges() == [None] and site.waits == []


def test_a_dropped_connection_is_continued_with_the_same_version(fetch, site, capsys):
    site.script["/a.tgz"] = [{"cut": 300_000}, {"cut": 200_000}]
    fetch(size=len(BODY), sha256=SHA)
    assert fetch.path.read_bytes() == BODY and alone(fetch.path)
    assert site.ranges() == [None, "bytes=300000-", "bytes=500000-"]
    assert site.waits == [1.0, 2.0]
    assert (
        "a.tgz: the connection broke (IncompleteRead(300000 bytes read, 724000 more expected))"
        in (capsys.readouterr().err)
    )


def test_tries_that_bring_nothing_are_counted_and_the_part_stays(fetch, site):
    site.script["/a.tgz"] = [{"cut": 1000}] + [{"cut": 0}] * 9
    with pytest.raises(StorageError, match="in 3 tries .*goes on at byte 1000; or put the file at"):
        fetch(sha256=SHA, attempts=3)
    assert fetch.part.read_bytes() == BODY[:1000] and not fetch.path.exists()
    assert len(site.log) == 3 and site.waits == [1.0, 2.0]
    site.script.clear()
    fetch(sha256=SHA)  # the next call
    assert site.ranges()[-1] == "bytes=1000-" and alone(fetch.path)


def test_tries_that_bring_much_are_not_counted(fetch, site, monkeypatch):
    monkeypatch.setattr(module, "_PROGRESS", 100_000)
    site.script["/a.tgz"] = [{"cut": 100_000}] * 8
    fetch(sha256=SHA, attempts=2)
    assert site.waits == [1.0] * 8 and fetch.path.read_bytes() == BODY


def test_a_server_without_ranges_is_read_from_the_start(fetch, site):
    site.script["/a.tgz"] = [{"cut": 300_000}, {"no_range": True}]
    fetch(sha256=SHA)
    assert fetch.path.read_bytes() == BODY and len(site.log) == 2


def test_without_version_and_checksum_nothing_is_continued(fetch, site):
    site.etag = None
    site.script["/a.tgz"] = [{"cut": 300_000}]
    fetch()
    assert fetch.path.read_bytes() == BODY and site.ranges() == [None, None]


def test_the_checksum_tells_whether_parts_belong_together(fetch, site, capsys):
    fetch.path.parent.mkdir()
    fetch.part.write_bytes(b"x" * 1000)
    fetch(sha256=SHA)
    assert fetch.path.read_bytes() == BODY and site.ranges() == ["bytes=1000-", None]
    assert "parts do not fit" in capsys.readouterr().err


def test_without_a_checksum_nothing_is_continued(fetch, site):
    fetch.path.parent.mkdir()
    fetch.part.write_bytes(BODY[:1000])
    fetch(size=len(BODY))
    assert site.ranges() == [None] and fetch.path.read_bytes() == BODY


def test_redirects_are_followed_and_keep_the_range(fetch, site):
    site.files["/b.tgz"] = BODY
    fetch.path.parent.mkdir()
    fetch.part.write_bytes(BODY[:1000])
    site.script["/a.tgz"] = [{"status": 302, "headers": {"Location": "/b.tgz"}}]
    fetch(sha256=SHA)
    assert fetch.path.read_bytes() == BODY and site.ranges() == ["bytes=1000-"] * 2


@pytest.mark.parametrize("target", ["/a.tgz", "file:///etc/hostname"])
def test_redirects_that_lead_nowhere_end(fetch, site, target):
    site.script["/a.tgz"] = [{"status": 302, "headers": {"Location": target}}] * 40
    with pytest.raises(StorageError, match="a.tgz cannot be fetched: "):
        fetch()
    assert site.waits == []


def test_a_redirect_may_not_leave_encryption(fetch, site, monkeypatch):
    plain, there = module.requests.get, site.url("/a.tgz")
    monkeypatch.setattr(module.requests, "get", lambda url, **options: plain(there, **options))
    with pytest.raises(StorageError, match="https://h/a redirects to http.*which is not encrypted"):
        download("https://h/a", fetch.path)


def test_a_server_that_does_not_prove_who_it_is(fetch, monkeypatch):
    def fail(*_, **__):
        raise module.requests.exceptions.SSLError("certificate has expired")

    monkeypatch.setattr(module.requests, "get", fail)
    with pytest.raises(StorageError, match="not prove who it is .certificate has expired.: check"):
        fetch()


def test_silence_is_a_broken_connection(fetch, site):
    site.script["/a.tgz"] = [{"then": lambda: time.sleep(0.5)}]
    with pytest.raises(StorageError, match="in 1 tries .*timed out"):
        fetch(attempts=1, timeout=0.1)


@pytest.mark.parametrize("code", [400, 401, 403, 410, 451, 501])
def test_refusals_for_good_are_not_tried_again(fetch, site, code):
    site.script["/a.tgz"] = [{"status": code}]
    with pytest.raises(StorageError, match=f"cannot be fetched: the server answers {code}"):
        fetch()
    assert site.waits == []


def test_a_part_that_was_whole_needs_no_server(fetch, site):
    fetch.path.parent.mkdir()
    fetch.part.write_bytes(BODY)
    fetch(size=len(BODY), sha256=SHA)
    assert site.log == [] and alone(fetch.path)


@pytest.mark.parametrize("length", [len(BODY), len(BODY) + 5])
def test_a_part_that_is_too_long_is_fetched_anew(fetch, site, length):
    fetch.path.parent.mkdir()
    fetch.part.write_bytes(b"x" * length)
    fetch(sha256=SHA)  # the size is not known here: the server answers 416 first
    assert fetch.path.read_bytes() == BODY and site.ranges() == [f"bytes={length}-", None]


def test_the_wrong_bytes_in_the_answer_are_not_appended(fetch, site):
    site.script["/a.tgz"] = [{"cut": 1000}, {"content_range": "bytes 7-9/1024000"}]
    fetch(sha256=SHA)
    assert fetch.path.read_bytes() == BODY and site.ranges() == [None, "bytes=1000-", None]


def test_a_corrupted_file_is_deleted_and_never_taken(fetch, site):
    site.script["/a.tgz"] = [{"body": BODY[:-1] + b"!"}]
    with pytest.raises(StorageError, match=r"should \(sha256 [0-9a-f]{64}, not " + SHA):
        fetch(size=len(BODY), sha256=SHA)
    assert os.listdir(fetch.path.parent) == [] and len(site.log) == 1
    fetch(size=len(BODY), sha256=SHA)
    assert alone(fetch.path)


def test_a_corrupted_file_fails_its_md5_too(fetch, site):
    site.script["/a.tgz"] = [{"body": BODY[:-1] + b"!"}]
    with pytest.raises(StorageError, match="md5 [0-9a-f]{32}, not " + MD5):
        fetch(md5=MD5)
    assert os.listdir(fetch.path.parent) == []


def test_a_source_that_stays_wrong_ends(fetch, site):
    wrong = {"body": BODY[::-1]}
    site.script["/a.tgz"] = [{**wrong, "cut": 9}] * 2 + [wrong] + [{**wrong, "cut": 9}, wrong]
    with pytest.raises(StorageError, match="the source has changed"):
        fetch(sha256=SHA)
    assert os.listdir(fetch.path.parent) == [] and len(site.log) == 5


def test_a_body_without_length_is_checked_against_the_known_size(fetch, site):
    site.script["/a.tgz"] = [{"no_length": True, "cut": 5000}, {"no_length": True}]
    fetch(size=len(BODY), sha256=SHA)
    assert fetch.path.read_bytes() == BODY and len(site.log) == 2


def test_another_size_is_refused_before_a_byte_is_stored(fetch, site):
    fetch.path.parent.mkdir()
    fetch.part.write_bytes(BODY[:1000])
    site.script["/a.tgz"] = [{"body": b"<html>please log in</html>", "no_range": True}]
    with pytest.raises(StorageError, match="offers 26 bytes where the file has 1024000"):
        fetch(size=len(BODY), sha256=SHA)
    assert fetch.part.read_bytes() == BODY[:1000]  # it was not the page's fault


def test_busy_servers_are_given_time(fetch, site):
    date = "Wed, 21 Oct 2015 07:28:00 GMT"  # long past: no wait at all
    site.script["/a.tgz"] = [
        {"status": 429, "headers": {"Retry-After": "17"}},
        {"status": 503, "headers": {"Retry-After": date}},
        {"status": 500},
        {"status": 502, "headers": {"Retry-After": "soon"}},
    ]
    fetch(sha256=SHA)
    assert site.waits == [17.0, 0.0, 4.0, 8.0] and alone(fetch.path)


def test_a_server_that_wants_a_long_rest_gets_it(fetch, site):
    site.script["/a.tgz"] = [{"status": 429, "headers": {"Retry-After": "7200"}}]
    with pytest.raises(StorageError, match="answers 429 .* and wants 7200 s of rest"):
        fetch(sha256=SHA)
    assert site.waits == [] and not fetch.path.exists()


def test_what_is_not_there_is_not_asked_for_twice(fetch, site):
    site.files.clear()
    with pytest.raises(StorageError, match="the server answers 404 Not Found; open it"):
        fetch()
    assert len(site.log) == 1 and site.waits == []


def test_a_host_that_is_not_there(fetch, site, tmp_path):
    with pytest.raises(StorageError, match="no more of http://127.0.0.1:9/x came in 2 tries"):
        download("http://127.0.0.1:9/x", tmp_path / "x", attempts=2)
    assert site.waits == [1.0] and os.listdir(tmp_path) == []


def test_another_file_in_the_place_is_not_overwritten(fetch, site):
    fetch.path.parent.mkdir()
    fetch.path.write_text("mine")
    with pytest.raises(StorageError, match="is not the file that .*4 bytes instead of 1024000"):
        fetch(size=len(BODY))
    assert fetch.path.read_text() == "mine" and site.log == []


def test_a_full_disk_leaves_a_part_that_the_next_call_continues(fetch, site):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, before[1]))  # the system refuses the rest
    try:
        with pytest.raises(StorageError, match="cannot write .*a.tgz.part: .*free some space"):
            fetch(sha256=SHA)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not fetch.path.exists() and fetch.part.read_bytes() == BODY[:700_000]
    fetch(sha256=SHA)
    assert site.ranges()[-1] == "bytes=700000-" and alone(fetch.path)


def test_a_folder_that_cannot_be_made(site, tmp_path):
    site.files["/a"] = b"a"
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match="cannot write .*make the folder writable"):
        download(site.url("/a"), tmp_path / "file" / "a")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_keeps_the_part_and_the_next_call_goes_on(fetch, site):
    site.script["/a.tgz"] = [{"cut": 300_000}]
    code = (
        "import signal, sys, time; from entreg_utils.data import download as m; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # ignored in some shells
        "m._sleep = lambda s: (print('paused', flush=True), time.sleep(60)); "
        "m.download(sys.argv[1], sys.argv[2], sha256=sys.argv[3])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, site.url("/a.tgz"), str(fetch.path), SHA],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=os.getcwd(),
    )
    assert process.stdout.readline() == b"paused\n"  # 300,000 bytes are there, it waits to go on
    process.send_signal(signal.SIGINT)
    assert process.wait(20) != 0
    process.stdout.close()
    assert fetch.part.read_bytes() == BODY[:300_000] and not fetch.path.exists()
    fetch(sha256=SHA)
    assert site.ranges() == [None, "bytes=300000-"] and fetch.path.read_bytes() == BODY
