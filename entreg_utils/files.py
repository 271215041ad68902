"""Files that are whole or not there: atomic writes, content hashes, and where the project lives.

Every cache, record and checkpoint goes through :func:`atomic_write`, so a reader never meets half a
file: the bytes go to a temporary file in the same folder, are flushed to the disk, and only then
take the final name (``os.replace`` is atomic on POSIX and on NTFS).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from pathlib import Path


class StorageError(RuntimeError):
    """A file could not be written or is not what it claims to be; the message says what to do."""


def project_root() -> Path:
    """Folder that holds ``entreg_utils/``, ``notebooks/`` and ``data/``.

    ``ENTREG_ROOT`` overrides it, for an installed package whose data lie elsewhere.
    """
    return Path(os.environ.get("ENTREG_ROOT") or Path(__file__).resolve().parents[1])


def shipped(*parts):
    return project_root().joinpath(*parts)


def own(*parts):
    return project_root().joinpath(*parts)


def sha256(content: bytes) -> str:
    """Hex SHA-256 of ``content`` (64 characters)."""
    return hashlib.sha256(content).hexdigest()


def atomic_write(path: Path | str, content: bytes | str) -> Path:
    """Write ``content`` to ``path`` so that the file is either the old one or the whole new one.

    Two processes that write the same path do not mix: the last rename wins, each file being whole.

    Raises:
        StorageError: the disk is full, the folder read-only, or any other reason of the operating
            system; the temporary file is removed and a previous file at ``path`` is untouched.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    done = False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes it private; records are meant to be shared
        os.replace(temporary, path)
        done = True
    except OSError as error:
        raise StorageError(_explain(error, path, len(data))) from error
    finally:  # also after Ctrl-C
        if temporary is not None and not done:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
    return path


def write_checked(path: Path | str, content: bytes) -> Path:
    """:func:`atomic_write` of ``content`` behind its own SHA-256, for :func:`read_checked`."""
    return atomic_write(path, sha256(content).encode() + content)


def read_checked(path: Path | str) -> bytes | None:
    """Content of a file from :func:`write_checked`, or None when there is no such file.

    Raises:
        StorageError: the content is not what was written (cut short, altered, another format), or
            the system refuses to read it.
    """
    raw = read_bytes(path)
    if raw is None:
        return None
    if raw[:64] != sha256(raw[64:]).encode():
        raise StorageError(
            f"{path} is damaged (its SHA-256 does not fit): delete it to make it anew"
        )
    return raw[64:]


def read_bytes(path: Path | str) -> bytes | None:
    """Content of a file, or None when there is no such file or no such folder.

    Raises:
        StorageError: it is there and the system refuses to read it.
    """
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(
            f"cannot read {path}: {error.strerror}; make it readable, or point ENTREG_RESULTS to "
            "another folder"
        ) from error


def _explain(error: OSError, path: Path, size: int) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"no room for {path.name} ({size / 1e6:.1f} MB) in {path.parent}: free some space and "
            "run the same command again; what was stored before is untouched"
        )
    return (
        f"cannot write {path}: {error.strerror}; make the folder writable, or point ENTREG_RESULTS "
        "to another one; what was stored before is untouched"
    )
