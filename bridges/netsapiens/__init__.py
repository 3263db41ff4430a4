"""NetSapiens (Crexendo): chat, SMS and MMS of an extension through API v2; messages come back by event subscription."""
