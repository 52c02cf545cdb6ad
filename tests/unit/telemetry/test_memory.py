"""What a process keeps of its memory, in a process of its own."""

import platform
import subprocess
import sys

import pytest

HELD_MB = 200
KEEPS = """
from connector.adapters.telemetry.process import give_back_large_buffers

def resident_mb():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096 / 2**20

give_back_large_buffers()
bytes(4 * 2**20)  # a freed buffer of this size teaches glibc to keep smaller ones
before, kept = resident_mb(), []
for _ in range(HELD_MB):
    buffer = bytearray(2**20)
    kept.append((buffer, bytearray(100_000)))
kept = [small for _, small in kept[::10]]
del buffer
print(resident_mb() - before)
""".replace("HELD_MB", str(HELD_MB))


def kept_mb() -> float:
    done = subprocess.run([sys.executable, "-c", KEEPS], capture_output=True, text=True, timeout=60, check=True)
    return float(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps memory by other rules")
def test_large_buffers_are_given_back_though_small_ones_between_them_stay() -> None:
    assert kept_mb() < 0.1 * HELD_MB
