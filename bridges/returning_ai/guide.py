"""What a person has to enter on Returning.AI's own pages."""

from __future__ import annotations

from bridges.returning_ai.settings import FieldPaths, ReturningAiSettings


def instructions(url: str, settings: ReturningAiSettings) -> str:
    """Lines for that person; the account's own paths go along, so that they can be compared with what is sent."""
    configured = [
        f'    {name} = "{path}"' for name in FieldPaths.model_fields if (path := getattr(settings.fields, name))
    ]
    guessed = [line.replace("NAME", _account_in(url)) for line in _GUESSED]
    paths = ["4. The account reads these fields of the body:", *configured] if configured else guessed
    polled = (
        f"Polling is on as well: every {settings.poll_seconds:g} s. Each message comes once, whichever way is first."
        if settings.poll_seconds > 0
        else "Without webhooks, set poll_seconds of the account, and the messages are fetched instead."
    )
    return "\n".join((*_ENTER, f"     {url}", *_TRY, *paths, polled))


def _account_in(url: str) -> str:
    """The account's name, which stands before the secret at the end of the URL; ``NAME`` where it does not."""
    *_, hooks, account, _secret = ["", "", *url.split("/")]
    return account if hooks == "hooks" and account else "NAME"


_ENTER = (
    "Returning.AI has no call for this; somebody with rights to administer the community enters it:",
    '1. In the community\'s settings open Events, then "Outgoing webhooks", and add a webhook.',
    '2. Event: "New message posted anywhere", or "New message posted to specific channel" for each channel wanted.',
    "   Method POST, body as JSON, URL (keep it secret, its end is the password):",
)
_TRY = ("3. Write a message there as somebody else than the sender, and look at: patchbay stats",)
_GUESSED = (
    "4. Its body is not documented, so the fields are guessed. If the message counts as failed or unsupported,",
    "   say where they stand:",
    "    [accounts.NAME.fields]",
    '    text = "data.message.text"     # likewise id, user_id, user_name, user_email, channel, topic, time',
)
