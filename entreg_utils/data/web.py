"""One HTTP request for a file or the rest of one, and what the answer means for the next step."""

from __future__ import annotations

import email.utils
import http.client
import math
import ssl
import urllib.error
import urllib.request
from datetime import UTC, datetime
from urllib.parse import urlsplit

from entreg_utils.files import StorageError

LONGEST_WAIT = 120.0  # seconds; a server that asks for more is left for another day
_BUSY = {408, 425, 429, 500, 502, 503, 504}  # answers that another try may change
_CHUNK = 1 << 18


class TryAgain(Exception):
    """The transfer broke off in a way that another try may mend.

    Attributes:
        wait: seconds that the server asks to be left alone, at most ``LONGEST_WAIT``, or None.
        from_the_start: what is here already cannot be continued.
    """

    def __init__(self, reason: object, wait: float | None = None, from_the_start: bool = False):
        super().__init__(str(reason))
        self.wait, self.from_the_start = wait, from_the_start


class Answer:
    """The open answer of a server that gives the file; a context manager.

    Attributes:
        first: index of the first byte that it brings: the one asked for, or 0.
        total: bytes of the whole file, or None where the server does not say.
        validator: the server's name for this version of the file, or None: a strong entity tag,
            else the date of its last change (what RFC 9110, section 13.1.5, lets If-Range name).
    """

    def __init__(self, response: http.client.HTTPResponse):
        self._response, headers = response, response.headers
        if response.status == 206:
            self.first, self.total = _content_range(headers.get("Content-Range", ""))
        else:
            length = headers.get("Content-Length", "")
            self.first, self.total = 0, int(length) if length.isdigit() else None
        tag = headers.get("ETag")
        self.validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_) -> None:
        self._response.close()

    def read(self) -> bytes:
        """The next bytes, none at the end.

        Raises:
            TryAgain: the connection broke.
        """
        try:
            return self._response.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise TryAgain(f"the connection broke ({_words(error)})") from error


class _SameSecurity(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from https to http, where anyone on the way may answer."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise StorageError(f"{req.full_url} redirects to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def request(
    url: str, start: int = 0, validator: str | None = None, timeout: float = 30.0
) -> Answer:
    """Ask for ``url`` from byte ``start`` on; redirects are followed.

    Args:
        validator: of the version whose first ``start`` bytes are here (``If-Range``): where the
            server has another version by now, it answers with all of that.
        timeout: seconds of silence after which the connection counts as broken.

    Raises:
        TryAgain: no connection, a server that is busy or failing (408, 425, 429, 5xx), or one that
            cannot continue at ``start``.
        StorageError: the server refuses for good, wants a rest longer than ``LONGEST_WAIT``, or
            does not prove who it is.
    """
    headers = {"User-Agent": "entreg_utils"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    try:
        opener = urllib.request.build_opener(_SameSecurity)
        response = opener.open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(url, error) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise StorageError(
                f"{url} does not prove who it is ({reason.verify_message}): check the clock and "
                "the certificates of this machine"
            ) from error
        raise TryAgain(_words(reason)) from error
    answer = Answer(response)
    if answer.first not in (0, start):
        answer.__exit__()
        raise TryAgain("the server sends other bytes than were asked for", from_the_start=True)
    return answer


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    said = f"the server answers {error.code} {error.reason}"
    if error.code == 416:
        return TryAgain(f"{said}: starting from the beginning", from_the_start=True)
    if error.code not in _BUSY:
        return StorageError(f"{url} cannot be fetched: {said}; open it in a browser to see why")
    wait = _retry_after(error.headers.get("Retry-After"))
    if wait is not None and wait > LONGEST_WAIT:
        return StorageError(
            f"{url} cannot be fetched now: {said} and wants {wait:.0f} s of rest; run the same "
            "command again after that"
        )
    return TryAgain(said, wait)


def _content_range(value: str) -> tuple[int, int | None]:
    """``bytes FIRST-LAST/TOTAL``; (-1, None) where it is anything else."""
    unit, _, rest = value.partition(" ")
    first, total = rest.partition("-")[0], rest.rpartition("/")[2]
    if unit != "bytes" or not first.isdigit() or not (total.isdigit() or total == "*"):
        return -1, None
    return int(first), None if total == "*" else int(total)


def _retry_after(value: str | None) -> float | None:
    """Seconds from now of a ``Retry-After``: a number of seconds, or a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, float(math.ceil((date - datetime.now(UTC)).total_seconds())))


def _words(error: object) -> str:
    return str(error) or type(error).__name__
