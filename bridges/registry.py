"""Every provider Patchbay knows: one line each."""

from __future__ import annotations

from typing import Protocol, cast

from bridges.api import AccountSettings, Bridge, Capabilities
from bridges.cinnox.bridge import CinnoxBridge
from bridges.echo.bridge import EchoBridge
from bridges.netsapiens.bridge import NetSapiensBridge
from bridges.openim.bridge import OpenIMBridge
from bridges.returning_ai.bridge import ReturningAiBridge


class BridgeClass(Protocol):
    """What the registry holds: a class that makes a bridge from an account's settings."""

    name: str
    title: str
    Settings: type[AccountSettings]
    capabilities: Capabilities
    """Of the provider; an account's own (``bridge.capabilities``) may be narrower by its settings."""

    def __call__(self, settings: AccountSettings) -> Bridge: ...


PROVIDERS: dict[str, BridgeClass] = {
    cast(BridgeClass, bridge).name: cast(BridgeClass, bridge)
    for bridge in (
        CinnoxBridge,
        EchoBridge,
        NetSapiensBridge,
        OpenIMBridge,
        ReturningAiBridge,
    )
}
