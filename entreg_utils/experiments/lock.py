"""One process a run: the others wait for its record."""

from __future__ import annotations

import sys
from pathlib import Path

from filelock import FileLock, Timeout

from entreg_utils.files import StorageError


class only_one:
    """Lock of one run; the system frees it when its process ends, however it ends."""

    def __init__(self, path: Path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"cannot make {path.parent}: {error.strerror}; point ENTREG_RESULTS elsewhere"
            ) from error
        self.lock, self.name = FileLock(path), path.stem

    def __enter__(self):
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            print(f"another process trains {self.name}: waiting for its record", file=sys.stderr)
            self.lock.acquire()
        except OSError as error:
            raise StorageError(
                f"cannot write in {Path(self.lock.lock_file).parent}: {error.strerror}; make it "
                "writable, or point ENTREG_RESULTS elsewhere"
            ) from error

    def __exit__(self, *_):
        self.lock.release()
