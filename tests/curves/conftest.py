import socket

import pytest


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Connections may go to this machine only."""
    connect = socket.socket.connect

    def guarded(self, address):
        assert address[0] in ("127.0.0.1", "localhost"), f"a test wants to connect to {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
