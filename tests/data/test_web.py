"""Single answers of a server: what each says, and what refuses to be one."""

import ssl
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime

import pytest

from entreg_utils.data import web
from entreg_utils.data.web import LONGEST_WAIT, TryAgain, request
from entreg_utils.files import StorageError


def read_all(answer):
    with answer:
        return b"".join(iter(answer.read, b""))


def test_the_whole_file_and_the_rest_of_it(site):
    site.files["/a"] = b"0123456789"
    answer = request(site.url("/a"))
    assert (answer.first, answer.total, answer.validator) == (0, 10, site.etag(b"0123456789"))
    assert read_all(answer) == b"0123456789"
    rest = request(site.url("/a"), 4, answer.validator)
    assert (rest.first, rest.total, read_all(rest)) == (4, 10, b"456789")
    other = request(site.url("/a"), 4, '"of another version"')
    assert (other.first, other.total, read_all(other)) == (0, 10, b"0123456789")


def test_what_names_a_version(site):
    site.files["/a"], site.etag = b"a", None
    assert request(site.url("/a")).validator is None
    site.modified = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert request(site.url("/a")).validator == site.modified
    site.etag = lambda body: 'W/"weak"'
    assert request(site.url("/a")).validator == site.modified
    site.etag = lambda body: '"strong"'
    assert request(site.url("/a")).validator == '"strong"'


def test_redirects_are_followed_and_keep_the_range(site):
    site.files["/b"] = b"0123456789"
    for code in (301, 302, 303, 307, 308):
        site.script["/a"] = [{"status": code, "headers": {"Location": "/b"}}]
        assert read_all(request(site.url("/a"), 7)) == b"789"
    site.script["/a"] = [{"status": 302, "headers": {"Location": "/a"}}] * 40
    with pytest.raises(StorageError, match="cannot be fetched: the server answers 302"):
        request(site.url("/a"))
    site.script["/a"] = [{"status": 302, "headers": {"Location": "file:///etc/hostname"}}]
    with pytest.raises(StorageError, match="cannot be fetched"):
        request(site.url("/a"))


def test_a_redirect_may_not_leave_encryption():
    handler, old = web._SameSecurity(), urllib.request.Request("https://h/a")
    with pytest.raises(StorageError, match="https://h/a redirects to http://h/b, which is not enc"):
        handler.redirect_request(old, None, 302, "Found", Message(), "http://h/b")
    new = handler.redirect_request(old, None, 302, "Found", Message(), "https://h/b")
    assert new.full_url == "https://h/b"


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 451, 501])
def test_refusals_for_good(site, code):
    site.script["/a"] = [{"status": code}]
    with pytest.raises(StorageError, match=f"/a cannot be fetched: the server answers {code}"):
        request(site.url("/a"))


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_refusals_for_now(site, code):
    site.script["/a"] = [{"status": code}, {"status": code, "headers": {"Retry-After": "120"}}]
    with pytest.raises(TryAgain, match=f"answers {code}") as caught:
        request(site.url("/a"))
    assert caught.value.wait is None and not caught.value.from_the_start
    with pytest.raises(TryAgain) as caught:
        request(site.url("/a"))
    assert caught.value.wait == 120 == LONGEST_WAIT
    site.script["/a"] = [{"status": code, "headers": {"Retry-After": "121"}}]
    with pytest.raises(StorageError, match="wants 121 s of rest"):
        request(site.url("/a"))


def test_a_range_beyond_the_end_or_of_other_bytes(site):
    site.files["/a"] = b"0123"
    site.script["/a"] = [{}] + [
        {"content_range": text} for text in ("bytes 2-3/4", "lines 1-3/4", "")
    ]
    for start in (4, 1, 1, 1):
        with pytest.raises(TryAgain) as caught:
            request(site.url("/a"), start)
        assert caught.value.from_the_start


def test_a_total_that_the_server_does_not_know(site):
    site.files["/a"] = b"0123"
    site.script["/a"] = [{"content_range": "bytes 1-3/*"}, {"no_length": True}]
    assert request(site.url("/a"), 1).total is None
    answer = request(site.url("/a"))
    assert answer.total is None and read_all(answer) == b"0123"


def test_dates_to_retry_after():
    now = datetime.now(UTC)
    assert 28 <= web._retry_after(format_datetime(now + timedelta(seconds=30))) <= 31
    assert web._retry_after(format_datetime(now - timedelta(days=1))) == 0
    assert web._retry_after(" 5 ") == 5
    assert web._retry_after("next week") is None and web._retry_after(None) is None


def test_silence_is_a_broken_connection(site):
    site.files["/a"] = b"0123"
    site.script["/a"] = [{"then": lambda: time.sleep(0.5)}]
    with pytest.raises(TryAgain, match="timed out"):
        request(site.url("/a"), timeout=0.1)


def test_a_server_that_does_not_prove_who_it_is(monkeypatch):
    refused = ssl.SSLCertVerificationError("bad")
    refused.verify_message = "certificate has expired"

    def fail(*_, **__):
        raise urllib.error.URLError(refused)

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", fail)
    with pytest.raises(StorageError, match="not prove who it is .certificate has expired.: check"):
        request("https://h/a")
