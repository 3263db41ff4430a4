"""The playground: stand-ins on loopback for everything the bot talks to, so that a person can play every side."""
