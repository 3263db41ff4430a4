"""Returning.AI: channels and forum topics of a community, by API, webhooks and polling."""
