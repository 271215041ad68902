"""Memory that a training process keeps: the setting takes, or the system is another."""

import subprocess
import sys

import pytest

from entreg_utils.experiments import memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_a_freed_block_is_not_returned_to_the_system():
    # In a child: the setting lasts for as long as its process.
    code = (
        "import numpy as np\n"
        "from entreg_utils.experiments.memory import keep_memory\n"
        "def resident():\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "took, before = keep_memory(), resident()\n"
        "block = np.ones(2**24)\n"  # 128 MiB
        "del block\n"
        "print(took, resident() - before > 2**26)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    took, kept = done.stdout.split()
    assert kept == took  # without glibc neither


def test_elsewhere_nothing_is_touched(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: pytest.fail("loaded"))
    assert memory.keep_memory() is False
