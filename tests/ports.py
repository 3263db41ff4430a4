"""Ports for servers that are started, killed and started again at the same place."""

from __future__ import annotations

import os
import random
import socket

# Below the range from which a system takes ports for outgoing connections (Linux: 32768–60999): between two starts of a
# server nobody may get its port by chance.
LOWEST, HIGHEST = 20_000, 32_000
_given: set[int] = set()
_chance = random.Random(os.getpid())


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that this process has not given out before."""
    while True:
        port = _chance.randrange(LOWEST, HIGHEST)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
