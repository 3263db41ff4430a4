"""OpenIM, the open-source messaging server: its REST API for sending, its webhooks for receiving."""
