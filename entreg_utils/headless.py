"""OpenCV on machines without a screen: the headless build in place of the one with windows.

``opencv-python`` loads the system's libGL and glib when ``cv2`` is imported, which bare servers and
containers lack. ``opencv-python-headless`` is the same module at the same version without windows,
and this project opens none. Only the standard library is used here.
"""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import subprocess
import sys
import tempfile


def missing_library(message: str) -> str:
    """Name of the shared library that an import's error message misses; "" for another error."""
    match = re.search(r"(\S+): cannot open shared object file", message)
    return match[1] if match else ""


def swappable() -> bool:
    """Whether the build with windows is the one installed, so that swapping could help."""
    try:
        importlib.metadata.version("opencv-python")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def swap_in_headless(run=subprocess.run) -> str:
    """Swap opencv-python for its headless build if ``import cv2`` fails for a missing library.

    Both builds own the files of ``cv2/``: taking one out damages the other, so both are taken out
    before the headless one goes in. It is fetched first, so that a failing network changes nothing.
    pip then lists ``opencv-python`` as a missing requirement (``pip check``); that is harmless, and
    an installation that brings it back is followed by this swap again.

    Args:
        run: stands for :func:`subprocess.run`; the tests pass their own.

    Returns:
        One line that says what was done, with its line end; "" when nothing had to be done.

    Raises:
        RuntimeError: pip could not fetch or install the headless build.
    """
    probe = run([sys.executable, "-c", "import cv2"], capture_output=True, text=True)
    library = missing_library(probe.stderr) if probe.returncode else ""
    if not library or not swappable():
        return ""  # any other fault is for the doctor's report, which names its own remedy
    wanted = f"opencv-python-headless=={importlib.metadata.version('opencv-python')}"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq"]
    with tempfile.TemporaryDirectory() as folder:
        steps = [
            [*pip, "download", "--no-deps", "--dest", folder, wanted],
            [*pip, "uninstall", "--yes", "opencv-python", "opencv-python-headless"],
            [*pip, "install", "--no-deps", "--no-index", "--find-links", folder, wanted],
        ]
        for step in steps:
            if run(step).returncode != 0:
                again = [*pip[:3], "install", "--force-reinstall", "--no-deps", wanted]
                raise RuntimeError(
                    f"could not swap in {wanted}, which this system needs as it has no {library}: "
                    f"see pip's message, then run {shlex.join(again)}"
                )
    return f"This system has no {library}, which opencv-python loads: took {wanted} instead.\n"
