"""Downloads that go on where they stopped and count only when they are right; safe unpacking.

The bytes go to ``NAME.part`` and take their name after size and checksum are found right. Where a
checksum is known, a part that an earlier call left is continued with an HTTP ``Range`` (RFC 9110,
section 14); a server that answers with the whole file instead is read from the start. (pooch checks
but does not go on; requests follows redirects and proxies.)
"""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import os
import re
import shutil
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from lzma import LZMAError
from pathlib import Path

import requests
import urllib3
from tqdm.auto import tqdm

from entreg_utils.files import StorageError

LONGEST_WAIT = 120.0  # seconds; a server that asks for more is left for another day
_BUSY = {408, 425, 429, 500, 502, 503, 504}  # answers that another try may change
_PROGRESS = 1 << 20  # bytes after which a broken connection no longer counts as a failed try
# What Python's unpackers raise for archives that are cut short, damaged or none; RuntimeError where
# zipfile wants a password or a compression that nobody installed.
_TAR, _ZIP = (tarfile.TarError, zlib.error, LZMAError), (zipfile.BadZipFile, RuntimeError)
_TORN = (*_TAR, *_ZIP, EOFError, UnicodeError)
_sleep = time.sleep


class _TryAgain(Exception):
    """The transfer broke off in a way that another try may mend, after ``wait`` seconds."""

    def __init__(self, reason: object, wait: float | None = None, from_the_start: bool = False):
        super().__init__(str(reason))
        self.wait, self.from_the_start = wait, from_the_start


def download(
    url: str,
    path: Path | str,
    size: int | None = None,
    sha256: str | None = None,
    md5: str | None = None,
    attempts: int = 5,
    timeout: float = 30.0,
) -> Path:
    """Fetch ``url`` to ``path``; nothing is fetched where the right file is there already.

    Args:
        url: http or https; redirects are followed, but not from https to http.
        size: in bytes, when it is known.
        sha256, md5: hex digest; the SHA-256 is checked when both are given, and only the size when
            neither is.
        attempts: tries in a row that bring less than 1 MiB; between them the wait doubles from one
            second, or is what the server asks for (``Retry-After``), 120 s at most.
        timeout: seconds of silence after which a connection counts as broken.

    Raises:
        StorageError: what is at ``path`` is another file; the server refuses, or offers another
            size; the tries are used up; the disk is full; the content has another checksum (it is
            deleted then). In all other cases the part stays, and the next call goes on with it.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    if path.exists():
        if wrong := _wrong(path, size, sha256, md5):
            raise StorageError(f"{path} is not the file that {url} is ({wrong}): move it away")
        return path
    failures, furthest, renewed = 0, _size(part), False
    while True:
        continued = _size(part) > 0
        try:
            if size is None or _size(part) != size:
                continued = _transfer(url, part, size, bool(sha256 or md5), timeout)
        except _TryAgain as error:
            failures = 1 if _size(part) - furthest >= _PROGRESS else failures + 1
            furthest = max(furthest, _size(part))
            if error.from_the_start:
                with _storing(part):
                    part.unlink(missing_ok=True)
            if failures >= attempts:
                raise StorageError(
                    f"no more of {url} came in {attempts} tries ({error}): run the same command "
                    f"again later, it goes on at byte {_size(part)}; or put the file at {path}"
                ) from error
            wait = 2.0 ** (failures - 1) if error.wait is None else error.wait
            print(f"{path.name}: {error}; trying again in {wait:.0f} s", file=sys.stderr)
            _sleep(wait)
            continue
        wrong = _wrong(part, size, sha256, md5)
        with _storing(path):
            if wrong is None:
                part.replace(path)
                return path
            part.unlink()
        if renewed or not continued:
            raise StorageError(
                f"{url} did not give the file that it should ({wrong}): it was deleted; run the "
                "same command again, and if that ends in the same way the source has changed"
            )
        print(f"{path.name}: its parts do not fit ({wrong}); from the start", file=sys.stderr)
        renewed = True


def _transfer(url: str, part: Path, size: int | None, checked: bool, timeout: float) -> bool:
    """Append what is missing to ``part``; whether it really is a continuation."""
    start = _size(part)
    if (size is not None and start > size) or not checked:
        start = 0  # too long already, or nothing would tell whether two parts belong together
    headers = {"User-Agent": "entreg_utils", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with _answer(url, headers, timeout) as answer:
        first, total = _extent(answer, start)
        if None not in (size, total) and total != size:
            raise StorageError(
                f"{url} offers {total} bytes where the file has {size}: the source has changed, or "
                "another page answers in its place; open it in a browser to see"
            )
        bar = tqdm(
            desc=part.stem, total=total, initial=first, unit="B", unit_scale=True, disable=None
        )
        with _storing(part), bar:
            part.parent.mkdir(parents=True, exist_ok=True)
            with part.open("ab" if first else "wb") as file:
                while chunk := _read(answer):
                    file.write(chunk)
                    bar.update(len(chunk))
                file.flush()
                os.fsync(file.fileno())
    whole = size if total is None else total
    if whole is not None and _size(part) < whole:
        raise _TryAgain(f"the connection ended at byte {_size(part)} of {whole}")
    return first > 0


def _answer(url: str, headers: dict, timeout: float) -> requests.Response:
    """The open answer of a server that gives the file; what it refuses for good is an error."""
    try:
        answer = requests.get(url, headers=headers, stream=True, timeout=timeout)
    except requests.exceptions.SSLError as error:
        raise StorageError(
            f"{url} does not prove who it is ({error}): check the clock and the certificates of "
            "this machine"
        ) from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _TryAgain(getattr(error.args[0], "reason", error)) from error
    except requests.RequestException as error:  # too many redirects, or to no http at all
        raise StorageError(f"{url} cannot be fetched: {error}") from error
    if url.startswith("https:") and not answer.url.startswith("https:"):
        raise StorageError(f"{url} redirects to {answer.url}, which is not encrypted")
    if answer.ok:
        return answer
    answer.close()
    said = f"the server answers {answer.status_code} {answer.reason}"
    if answer.status_code == 416:
        raise _TryAgain(f"{said}: starting from the beginning", from_the_start=True)
    if answer.status_code not in _BUSY:
        raise StorageError(f"{url} cannot be fetched: {said}; open it in a browser to see why")
    wait = _retry_after(answer.headers.get("Retry-After", ""))
    if wait is not None and wait > LONGEST_WAIT:
        raise StorageError(
            f"{url} cannot be fetched now: {said} and wants {wait:.0f} s of rest; run the same "
            "command again after that"
        )
    raise _TryAgain(said, wait)


def _extent(answer: requests.Response, start: int) -> tuple[int, int | None]:
    """Index of the first byte that an answer brings, and bytes of the whole file if it says so."""
    if answer.status_code != 206:
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    said = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if said is None or int(said[1]) != start:
        raise _TryAgain("the server sends other bytes than were asked for", from_the_start=True)
    return start, None if said[2] == "*" else int(said[2])


def _read(answer: requests.Response) -> bytes:
    try:
        return answer.raw.read1(1 << 18)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _TryAgain(f"the connection broke ({error.args[-1]})") from error


def _retry_after(value: str) -> float | None:
    """Seconds from now of a ``Retry-After``: a number of seconds, or a date."""
    if value.strip().isdigit():
        return float(value)
    date = email.utils.parsedate_tz(value)
    return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


@contextlib.contextmanager
def _storing(path: Path):
    """Turns what the disk refuses into one sentence."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}; free some space or make the folder writable, "
            "and run the same command again: it goes on where it stopped"
        ) from error


def _wrong(path: Path, size: int | None, sha256: str | None, md5: str | None) -> str | None:
    """What is wrong with a file, or None."""
    if size is not None and _size(path) != size:
        return f"{_size(path)} bytes instead of {size}"
    name, digest = ("sha256", sha256) if sha256 is not None else ("md5", md5)
    if digest is None:
        return None
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False))
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return None if found.hexdigest() == digest else f"{name} {found.hexdigest()}, not {digest}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def unpack(archive: Path, folder: Path, holds: str = ".", probe: str | None = None) -> Path:
    """Unpack a tar (plain, gzip, bzip2, xz) or a zip, so that nothing leaves ``folder``.

    The content goes to a temporary folder beside the final one and is renamed when it is all there.

    Args:
        holds: the one path inside the archive that is wanted: it appears at ``folder / holds`` in
            one rename, or is merged with what is there, and the rest is dropped.
        probe: a path inside the archive without which it is the wrong one; default ``holds``.

    Raises:
        StorageError: the archive is cut short or damaged, lacks ``probe``, has a member that would
            leave the folder, or the disk is full; ``folder`` is then as it was before.
    """
    prefix = f".unpacking-{archive.name}-"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for remains in folder.glob(f"{prefix}*"):  # of a process that was killed
            shutil.rmtree(remains, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=folder) as name:
            temporary = Path(name, "content")  # not private, as TemporaryDirectory is
            temporary.mkdir()
            _extract(archive, temporary)
            if not (temporary / (probe or holds)).exists():
                raise StorageError(
                    f"{archive} holds no {probe or holds}: it is not the archive it should be"
                )
            _move(temporary / holds, folder / holds)
    except OSError as error:
        raise StorageError(
            f"cannot unpack {archive} into {folder}: {error.strerror or error}; free some space or "
            "make the folder writable, and run the same command again: the archive is kept"
        ) from error
    return folder / holds


def _extract(archive: Path, folder: Path) -> None:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                file.extractall(folder)  # drops what is absolute or "..", and makes links files
            return
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")  # refuses what leaves the folder, and devices
            while file.fileobj.read(1 << 20):  # to the end, where gzip, bzip2 and xz check
                pass
        with archive.open("rb") as file:  # a plain tar cut between two members shows only here
            if file.read(262)[257:] == b"ustar" and (file.seek(-512, 2), any(file.read()))[1]:
                raise tarfile.ReadError("the mark of its end is missing")
    except tarfile.FilterError as error:
        raise StorageError(f"{archive} is refused: {error}") from error
    except (*_TORN, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk; what gzip finds wrong has no number
        raise StorageError(
            f"{archive} cannot be unpacked ({error}): it is cut short, damaged or no tar or zip; "
            "delete it to fetch it anew"
        ) from error


def _move(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target``; two folders are merged, and files of ``source`` win."""
    if source.is_dir() and target.is_dir():
        for child in sorted(source.iterdir()):
            _move(child, target / child.name)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)
