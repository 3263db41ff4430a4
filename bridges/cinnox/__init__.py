"""CINNOX: rooms are written to through its Open API, inbound SMS come back as webhooks."""
