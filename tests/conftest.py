"""Rules for every test: loopback only, an own cache, data folders by variable."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# First of all: it sets variables that torch reads when it is loaded, as every entry of the package does.
import craft_rl  # noqa: F401

_real_connect = socket.socket.connect
_real_connect_ex = socket.socket.connect_ex
_real_getaddrinfo = socket.getaddrinfo


class NetworkBlocked(RuntimeError):
    """A test without the marker ``network`` tried to leave the machine."""


def _check(host: Any) -> None:
    if host in (None, "", "localhost", b"localhost"):
        return
    try:
        if ipaddress.ip_address(host).is_loopback:
            return
    except ValueError:
        pass
    raise NetworkBlocked(
        f"Tests may only reach loopback, this one tried {host!r}. Mark it 'network' if it must."
    )


def _checked_address(connection: socket.socket, address: Any) -> Any:
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        _check(address[0])
    return address


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("network"):
        return

    def connect(self: socket.socket, address: Any) -> None:
        _real_connect(self, _checked_address(self, address))

    def connect_ex(self: socket.socket, address: Any) -> int:
        return _real_connect_ex(self, _checked_address(self, address))

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        _check(host)
        return _real_getaddrinfo(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests write converted data into a folder of the run, unless the caller names one."""
    if os.environ.get("CRAFT_CACHE"):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRAFT_CACHE", str(tmp_path_factory.mktemp("craft-cache")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set")
    path = Path(value)
    if not path.is_dir():
        pytest.fail(f"{variable}={value} is not a folder")
    return path


@pytest.fixture(scope="session")
def craft_data() -> Path:
    """Folder of real benchmark data; the test is skipped where there is none."""
    return _folder("CRAFT_DATA")


@pytest.fixture(scope="session")
def craft_goldens() -> Path:
    """Folder of recorded outputs of the original programs; the test is skipped where there is none."""
    return _folder("CRAFT_GOLDENS")
