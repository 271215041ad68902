"""Downloads that go on where they stopped and count only when they are right; safe unpacking.

The bytes go to ``NAME.part`` and take their name after size and checksum are found right. Where
both are known, a part that an earlier call left is continued with an HTTP ``Range`` (RFC 9110,
section 14); a server that answers with the whole file instead is read from the start.
"""

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

import requests
import urllib3
from requests.adapters import HTTPAdapter
from tqdm.auto import tqdm
from urllib3.util import Retry

from entreg_utils.files import StorageError

TIMEOUT = 30.0  # seconds of silence after which a connection counts as broken
_BUSY = (408, 425, 429, 500, 502, 503, 504)  # answers that another try may change
RETRIES = Retry(4, backoff_factor=1, status_forcelist=_BUSY, raise_on_status=False)
_BROKEN = (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError)


@contextlib.contextmanager
def storing(what: str):
    """Turns what the disk refuses in the block into one sentence, which says ``cannot {what}``."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot {what}: {error.strerror or error}; free some space or make the folder "
            "writable, and run the same command again: it goes on where it stopped"
        ) from error


def download(url: str, path: Path, size: int, checksum: str = "") -> Path:
    """Fetch ``url`` to ``path``; nothing is fetched where the right file is there already.

    Size in bytes, checksum a SHA-256 or MD5 in hex; without one only the size counts.

    Raises:
        StorageError: what is at ``path`` is another file; the server refuses, breaks off and then
            gives no more, or offers another size; no room. The part stays, unless its size or
            checksum is wrong.
    """
    part = path.with_name(path.name + ".part")
    with storing(f"write {part}"), requests.Session() as session:
        if path.exists():
            if wrong := _wrong(path, size, checksum):
                raise StorageError(f"{path} is not the file that {url} is ({wrong}): move it away")
            return path
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
        part.parent.mkdir(parents=True, exist_ok=True)
        if not checksum or _size(part) > size:
            part.unlink(missing_ok=True)  # nothing would tell whether two parts belong together
        while (start := _size(part)) < size:
            reason = "the server ends early"
            try:
                _transfer(session, url, part, size, start)
            except _BROKEN as error:
                reason = error.args[-1]
            except requests.RequestException as error:  # refused, or redirects that lead nowhere
                raise StorageError(f"{url} cannot be fetched: {error}") from error
            if _size(part) <= start:
                raise StorageError(
                    f"no more of {url} came ({reason}): run the same command again later, it goes "
                    f"on there; or put the file at {path}"
                )
        if wrong := _wrong(part, size, checksum):
            part.unlink()
            raise StorageError(
                f"{url} did not give the right file ({wrong}): it was deleted, try again; if it "
                "ends in the same way the source has changed"
            )
        return part.replace(path)


def _transfer(session: requests.Session, url: str, part: Path, size: int, start: int) -> None:
    """Append to ``part`` what follows its byte ``start``, or write it anew."""
    headers = {"User-Agent": "entreg_utils", "Accept-Encoding": "identity"}
    headers |= {"Range": f"bytes={start}-"} if start else {}
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if url.startswith("https:") and not answer.url.startswith("https:"):
            raise StorageError(f"{url} redirects to {answer.url}, which is not encrypted")
        if not answer.ok:
            said = f"the server answers {answer.status_code} {answer.reason}; open the page"
            raise requests.HTTPError(said)
        start = start if answer.status_code == 206 else 0
        offered = start + int(answer.headers.get("Content-Length", size - start))
        if offered != size:
            raise StorageError(
                f"{url} offers {offered} bytes where the file has {size}: the source has changed, "
                "or another page answers in its place; open it in a browser to see"
            )
        bar = tqdm(desc=part.stem, total=size, initial=start, unit="B", unit_scale=1, disable=None)
        with bar, part.open("ab" if start else "wb") as file:
            while chunk := answer.raw.read1(1 << 18):
                bar.update(file.write(chunk))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _wrong(path: Path, size: int, checksum: str) -> str:
    """What is wrong with a file, or nothing."""
    if _size(path) != size:
        return f"{_size(path)} bytes instead of {size}"
    if not checksum:
        return ""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "md5" if len(checksum) == 32 else "sha256").hexdigest()
    return "" if found == checksum else f"its checksum is {found}, not {checksum}"


def unpack(archive: Path, folder: Path, holds: str = ".", probe: str | None = None) -> Path:
    """Unpack a tar (plain, gzip, bzip2, xz) or a zip, so that nothing leaves ``folder``.

    The one path ``holds`` inside the archive appears at ``folder / holds`` in one rename, or is
    merged with what is there; the rest is dropped.

    Raises:
        StorageError: the archive is damaged, lacks the path ``probe`` (else ``holds``), has a
            member that is a link or would leave the folder, or the disk is full; ``folder`` is as
            before.
    """
    target = folder / holds
    with storing(f"unpack {archive} into {folder}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        place = target if target.is_dir() else target.parent  # a link may lead to another disk
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=place) as name:
            content = Path(name, "content")  # not private, as TemporaryDirectory is
            content.mkdir()
            _extract(archive, content)
            if not (content / (probe or holds)).exists():
                raise StorageError(f"{archive} holds no {probe or holds}: it is the wrong archive")
            if target.exists():  # merged, and the newer file wins
                shutil.copytree(content / holds, target, copy_function=os.replace, dirs_exist_ok=1)
            else:
                (content / holds).replace(target)
    return target


def _extract(archive: Path, folder: Path) -> None:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                file.extractall(folder)  # drops what is absolute or "..", and makes links files
            return
        with tarfile.open(archive) as file:
            safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from 3.11.4 on
            for member in file:
                inside = (folder / member.name).resolve().is_relative_to(folder.resolve())
                if not (inside and (member.isreg() or member.isdir())):
                    raise StorageError(
                        f"{archive} is refused: {member.name!r} would leave the folder, or is a "
                        "link or a device"
                    )
                file.extract(member, folder, **safe)
            while file.fileobj.read(1 << 20):  # to the end, where gzip, bzip2 and xz check
                pass
    except StorageError:
        raise
    except Exception as error:  # the unpackers raise anything where bytes are wrong
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk; what gzip finds wrong has no number
        raise StorageError(
            f"{archive} cannot be unpacked ({error}): it is cut short, damaged or no tar or zip; "
            "delete it to fetch it anew"
        ) from error
