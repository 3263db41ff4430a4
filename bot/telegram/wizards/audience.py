"""``/audience`` alone: which audience, who is in it, and what was changed is saved at once."""

from __future__ import annotations

from bot.addresses import Address, parse_address
from bot.names import one_line
from bot.targets import parse_targets
from bot.telegram.access import Role
from bot.telegram.commands.audiences import audience_name, listed, put_in, targets
from bot.telegram.replies import UsageError
from bot.telegram.wizards import engine
from bot.telegram.wizards.pages import (
    Choice,
    End,
    Go,
    Input,
    Page,
    Picked,
    Stay,
    Step,
    Turn,
    Wizard,
    Wrote,
    all_steps,
    choices,
)
from bot.telegram.wizards.picker import Picker
from bot.telegram.wizards.scene import Scene

_ADD, _SAVE, _OUT = "add", "save", "out:"
_LISTED = 20


def _names(scene: Scene) -> Page:
    offered = [(f"@{name} ({targets(number)})", name) for name, number in scene.tx.audiences.all()]
    return Page("Which audience?", choices(offered), asks="the name of a new one, as in partners")


def _take_name(scene: Scene, given: Input) -> Turn:
    word = given.text if isinstance(given, Wrote) else given.value if isinstance(given, Picked) else ""
    name = audience_name(word)
    members = scene.tx.audiences.members(name)
    return Go("members", {"name": name, "before": members, "members": members})


def _members(scene: Scene) -> Page:
    members: list[str] = scene.values["members"]
    lines = [f"@{scene.values['name']} has {targets(len(members))}" + (":" if members else ".")]
    lines += [f"· {member}" for member in members[:_LISTED]]
    if len(members) > _LISTED:
        lines.append(f"… and {len(members) - _LISTED} more")
    offered = tuple(Choice(f"✖ {_title(scene, member)}", f"{_OUT}{member}") for member in members)
    actions = [("Add…", _ADD), *([("Save", _SAVE)] if _changed(scene) else [])]
    asks = "addresses or names, as in support:room-42 here"
    return Page("\n".join(lines), offered, choices(actions), asks=asks)


def _title(scene: Scene, member: str) -> str:
    address = parse_address(member)
    return one_line(scene.tx.conversations.title(address.account, address.conversation)) or member


def _changed(scene: Scene) -> bool:
    return set(scene.values["before"]) != set(scene.values["members"])


def _take_members(scene: Scene, given: Input) -> Turn:
    members: list[str] = scene.values["members"]
    if isinstance(given, Wrote):
        if "@" in given.text:
            raise UsageError("an audience holds addresses only, and no other audience: name these")
        found = parse_targets(scene.tx, scene.relay, ", ".join(listed(given.text)), here=scene.here).addresses
        return Stay("", {"members": _with(members, found)})
    assert isinstance(given, Picked)
    if given.value == _ADD:
        return Go("add")
    if given.value.startswith(_OUT):
        return Stay("", {"members": [each for each in members if each != given.value.removeprefix(_OUT)]})
    return _saved(scene)


def _with(members: list[str], new: tuple[Address, ...]) -> list[str]:
    return list(dict.fromkeys([*members, *map(str, new)]))


def _saved(scene: Scene) -> Turn:
    """Only what was changed here: what somebody else put in or took out meanwhile stays as it is."""
    name, before, members = str(scene.values["name"]), scene.values["before"], scene.values["members"]
    gone = [each for each in before if each not in members]
    added = [parse_address(each) for each in members if each not in before]
    lines = []
    if gone:
        number = scene.tx.audiences.remove(name, gone)
        lines.append(f"{targets(number)} taken out of @{name}.")
    if added:
        lines.append(put_in(scene.tx, name, added, person=scene.person, now=scene.now))
    else:
        lines.append(f"@{name} has {targets(len(scene.tx.audiences.members(name)))} now.")
    return End("\n".join([*lines, f"/announce @{name} | text sends to all of them."]))


def _picked(scene: Scene, written: str) -> Turn:
    return Go("members", {"members": _with(scene.values["members"], (parse_address(written),))})


def _there(scene: Scene) -> list[str]:
    return list(scene.values["members"])


def _about(scene: Scene) -> str:
    return f"@{scene.values['name']}" if "name" in scene.values else ""


engine.add(
    Wizard(
        name="waudience",
        command="/audience",
        title="👥 An audience",
        role=Role.ADMIN,
        everywhere=True,
        first="name",
        steps=all_steps(
            {
                "name": Step(_names, _take_name, "An audience is a named set of addresses, a target for /announce."),
                "members": Step(
                    _members,
                    _take_members,
                    "✖ takes one out, Add… puts one in. Nothing is changed before you press Save.",
                ),
            },
            Picker("add", "Who is to be added?", _picked, without=_there).steps(),
        ),
        about=_about,
    )
)
