"""Downloads that go on where they stopped, and count only when every byte is the right one.

The bytes go to ``NAME.part`` and take their name after size and checksum are found right. A part
that an earlier call left is continued with an HTTP ``Range`` (RFC 9110, section 14), guarded by
``If-Range`` with what the server calls this version of the file (``NAME.part.json`` keeps that); a
server that answers with the whole file instead is read from the start.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from pathlib import Path

from tqdm.auto import tqdm

from entreg_utils.data.web import TryAgain, request
from entreg_utils.files import StorageError, atomic_write, read_bytes

_PROGRESS = 1 << 20  # bytes after which a broken connection no longer counts as a failed try
_sleep = time.sleep


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
        url: http or https; redirects are followed.
        path: of the whole file; its folder is made.
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
    part, note = (path.with_name(path.name + end) for end in (".part", ".part.json"))
    if path.exists():
        if wrong := _wrong(path, size, sha256, md5):
            raise StorageError(f"{path} is not the file that {url} is ({wrong}): move it away")
        return path
    failures, furthest, renewed = 0, _size(part), False
    while True:
        continued = _size(part) > 0
        try:
            if size is None or _size(part) != size:
                continued = _transfer(url, part, note, size, bool(sha256 or md5), timeout)
        except TryAgain as error:
            further = _size(part) - furthest >= _PROGRESS
            failures = 1 if further else failures + 1
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
            note.unlink(missing_ok=True)
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


def _transfer(
    url: str, part: Path, note: Path, size: int | None, checked: bool, timeout: float
) -> bool:
    """Append what is missing to ``part``; whether it really is a continuation."""
    start, validator = _size(part), _validator(note, url)
    if (size is not None and start > size) or not (validator or checked):
        start = 0  # too long already, or nothing would tell whether two parts belong together
    with request(url, start, validator, timeout) as answer:
        if None not in (size, answer.total) and answer.total != size:
            raise StorageError(
                f"{url} offers {answer.total} bytes where the file has {size}: the source has "
                "changed, or another page answers in its place; open it in a browser to see"
            )
        with _storing(part):
            part.parent.mkdir(parents=True, exist_ok=True)
            file = part.open("ab" if answer.first else "wb", buffering=0)
        bar = tqdm(
            desc=part.stem,
            total=answer.total,
            initial=answer.first,
            unit="B",
            unit_scale=True,
            disable=None,
        )
        with file, bar:
            atomic_write(note, json.dumps({"url": url, "validator": answer.validator}))
            while chunk := answer.read():
                _append(file, chunk)
                bar.update(len(chunk))
            with _storing(part):
                os.fsync(file.fileno())
    whole = size if answer.total is None else answer.total
    if whole is not None and _size(part) < whole:
        raise TryAgain(f"the connection ended at byte {_size(part)} of {whole}")
    return answer.first > 0


def _append(file, chunk: bytes) -> None:
    rest = memoryview(chunk)
    with _storing(Path(file.name)):
        while rest:
            rest = rest[file.write(rest) :]


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


def _validator(note: Path, url: str) -> str | None:
    """What the server called the version that the part is of, if that part is of ``url``."""
    try:
        kept = json.loads(read_bytes(note) or b"{}")
        return kept.get("validator") if kept.get("url") == url else None
    except (ValueError, AttributeError):
        return None


def _wrong(path: Path, size: int | None, sha256: str | None, md5: str | None) -> str | None:
    """What is wrong with a file, or None."""
    if size is not None and _size(path) != size:
        return f"{_size(path)} bytes instead of {size}"
    if sha256 is None and md5 is None:
        return None
    name, digest = ("sha256", sha256) if sha256 is not None else ("md5", md5)
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.new(name, usedforsecurity=False))
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return None if found.hexdigest() == digest else f"{name} {found.hexdigest()}, not {digest}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
