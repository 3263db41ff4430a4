"""Bridges: everything that knows a provider. Nothing here imports from ``bot``."""
