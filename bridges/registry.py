"""Every provider Patchbay knows: one line each."""

from __future__ import annotations

from collections import UserDict
from importlib import import_module
from typing import Protocol, cast

from bridges.api import AccountSettings, Bridge, Capabilities


class BridgeClass(Protocol):
    """What the registry holds: a class that makes a bridge from an account's settings."""

    name: str
    title: str
    Settings: type[AccountSettings]
    capabilities: Capabilities
    """Of the provider; an account's own (``bridge.capabilities``) may be narrower by its settings."""

    def __call__(self, settings: AccountSettings) -> Bridge: ...


class Providers(UserDict[str, BridgeClass]):
    """Bridges by the name of their folder, each imported when it is first asked for: few people have them all."""

    def __init__(self, **classes: str) -> None:
        super().__init__()
        self.data = dict(cast(dict[str, BridgeClass], classes))

    def __getitem__(self, name: str) -> BridgeClass:
        """The class; raises ``KeyError``."""
        found: object = self.data[name]
        if isinstance(found, str):
            found = self.data[name] = cast(BridgeClass, getattr(import_module(f"bridges.{name}.bridge"), found))
        return cast(BridgeClass, found)


PROVIDERS = Providers(
    cinnox="CinnoxBridge",
    echo="EchoBridge",
    netsapiens="NetSapiensBridge",
    openim="OpenIMBridge",
    returning_ai="ReturningAiBridge",
)
