"""The bot killed, cut off and starved on purpose, with the other side's own log as the truth."""
