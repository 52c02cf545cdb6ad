"""Ports for processes that are started later: nobody else gets them meanwhile."""

import multiprocessing
import socket
from pathlib import Path

import pytest

from connector.adapters.parts.part import PORTS, free_port


def _ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]


@pytest.fixture(autouse=True)
def own_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_CACHE", str(tmp_path))


def test_processes_that_ask_at_once_get_different_ports() -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        ports = [port for given in pool.map(_ports, [20] * 6) for port in given]
    assert len(set(ports)) == 120
    assert set(ports) <= set(PORTS)


def test_a_port_that_somebody_listens_on_is_passed_over(tmp_path: Path) -> None:
    last = tmp_path / "ports" / "last"
    before = free_port()
    taken = free_port()
    last.write_text(str(before))
    with socket.create_server(("127.0.0.1", taken)):
        assert free_port() not in (before, taken)


@pytest.mark.parametrize("told", ["", "nonsense", str(PORTS[-1])])
def test_the_turn_goes_on_whatever_was_left_behind(tmp_path: Path, told: str) -> None:
    (tmp_path / "ports").mkdir()
    (tmp_path / "ports" / "last").write_text(told)
    assert free_port() in PORTS
