"""What people get wrong: in the chat, over HTTP, in the configuration and on the command line."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from pathlib import Path

import pytest

from tests.journeys.world import SECRETS, SENT, TOKEN, World, to_toml

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("/send", "address"),
        ("/send support:room-42", "text"),
        ("/send support hello", "support"),
        ("/send nowhere:room-1 hello", "nowhere"),
        ("/send support: hello", "support"),
        ("/send telegram:abc hello", "telegram:-100"),
        ("/send support:sms/ünknown hello", "sms/"),
        ("/send club:no/such hello", "lobby"),
        ("/show", "delivery"),
        ("/show x", "“x” is not the number of a delivery"),
        ("/show 999999999999999999", "no delivery"),
        ("/retry 99999", "no delivery '99999'"),
        ("/discard -1", "“-1” is not the number of a delivery"),
        ("/link a b", "“b” is too much"),
        ("/route dance", "add, show, edit, remove"),
        ("/route show nothing", "nothing"),
        ("/help nothing", "/nothing"),
        ("/trace", "reply"),
    ],
)
async def test_a_wrong_argument_is_answered_with_what_was_wrong_and_an_example(
    world: World, written: str, told: str
) -> None:
    said = await world.group().ask(written)
    assert told in said
    assert "Example: /" in said
    assert "went wrong on my side" not in said


async def test_an_address_of_the_right_form_that_the_provider_does_not_know_is_dead_with_its_reason(
    world: World,
) -> None:
    ops = world.group()
    assert "destination not found" in await ops.ask("/send support:room-404 hello")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/hooks/support/{secret}", b"", 400),
        ("POST", "/hooks/support/{secret}", b"not JSON", 400),
        ("POST", "/hooks/support/{secret}", b'{"a": NaN}', 400),
        ("POST", "/hooks/support/{secret}", b"[" * 100_000, 400),
        ("POST", "/hooks/support/{secret}", b"\xff\xfe{\x00}\x00", 400),
        ("POST", "/hooks/support/{secret}", b'{"text": "\xff"}', 400),
        ("POST", "/hooks/support/{secret}", b"x" * ((1 << 20) + 1), 413),
        ("POST", "/hooks/support/{secret}/callbackCommand/more", b"{}", 200),
        ("POST", "/hooks/support/{secret}", b"null", 200),
        ("POST", "/hooks/support/{secret}", b'{"anything": 1}', 200),
        ("GET", "/hooks/support/{secret}", b"", 404),
        ("POST", "/hooks/support/{secret}x", b"{}", 404),
        ("POST", "/hooks/support/", b"{}", 404),
        ("POST", "/hooks/nobody/{secret}", b"{}", 404),
        ("POST", "/hooks/telegram/{secret}", b"{}", 404),
        ("POST", "/hooks/club/{secret}", b"{}", 404),
        ("POST", "/telegram/anything", b"{}", 404),
        ("GET", "/", b"", 404),
        ("GET", "/docs", b"", 404),
        ("GET", "/hooks", b"", 404),
        ("GET", "/healthz/", b"", 404),
        ("POST", "/healthz", b"", 404),
        ("GET", "/../patchbay.toml", b"", 404),
        ("GET", "/%2e%2e/patchbay.toml", b"", 404),
    ],
)
async def test_a_request_is_answered_as_documented(
    world: World, method: str, path: str, body: bytes, status: int
) -> None:
    answer = await world.http.request(method, path.format(secret=world.hook_secret("support")), content=body)
    assert answer.status_code == status
    if status == 404:
        assert answer.text == "Not Found"


async def test_an_unknown_account_and_a_wrong_secret_cannot_be_told_apart(world: World) -> None:
    answers = [
        await world.http.post(path, json={})
        for path in ("/hooks/support/wrong-wrong-wrong-wrong", "/hooks/nobody/wrong-wrong-wrong-wrong", "/nowhere")
    ]
    seen = {(answer.status_code, answer.content, tuple(sorted(answer.headers.items()))) for answer in answers}
    assert len(seen) == 1


@pytest.mark.parametrize("type", ["application/json", "text/plain", "application/x-www-form-urlencoded", "", "///"])
async def test_the_content_type_does_not_matter(world: World, type: str) -> None:
    before = (await world.read("stats"))["inbound"]
    for body, status in ((b'{"a": 1}', 200), (b"a=1", 400)):
        answer = await world.http.post(world.hook_url("support"), content=body, headers={"Content-Type": type})
        assert answer.status_code == status
    after = (await world.read("stats"))["inbound"]
    assert after["accepted"] - before["accepted"] == 1
    assert after["unsupported"] + after["duplicates"] - before["unsupported"] - before["duplicates"] == 1


async def test_a_hook_with_a_wrong_signature_is_refused_and_not_kept(world: World) -> None:
    before = (await world.read("stats"))["inbound"]["accepted"]
    for headers in ({}, {"X-Echo-Signature": "0" * 64}, {"X-Echo-Signature": "ü"}):
        answer = await world.http.post(world.hook_url("club"), content=b"{}", headers=headers_of(headers))
        assert answer.status_code == 401
    assert (await world.read("stats"))["inbound"]["accepted"] == before


def headers_of(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def test_a_locked_store_gets_503_with_retry_after_and_nothing_is_lost(world: World) -> None:
    ops = world.group()
    await ops.ask("/link support:sms/85255506666")
    holder = sqlite3.connect(world.database, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    event = {
        "id": "sms-locked",
        "eventDescription": "Inbound SMS",
        "senderNumber": 85255506666,
        "recipientNumber": 85255509999,
        "receiveTime": "2026-11-01T10:00:00.000Z",
        "contentType": "Text",
        "content": "while it was locked",
    }
    try:
        hook = world.http.post(world.hook_url("support"), json=event)
        answer, ready = await asyncio.gather(hook, world.http.get("/readyz"))
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert ready.status_code == 503
        assert re.fullmatch("does not take writes: .+", ready.json()["store"])
        assert (await world.http.get("/healthz")).status_code == 200
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    assert (await world.http.post(world.hook_url("support"), json=event)).status_code == 200
    await ops.hears("while it was locked")
    await ops.marked(ops.say("/send support:room-42 after the lock"), SENT)
    assert sum("while it was locked" in text for text in ops.texts()) == 1


async def test_a_second_run_on_the_same_database_is_refused_in_one_line(world: World) -> None:
    ended = await world.patchbay("run")
    assert ended.code == 2
    assert ended.out == ""
    assert len(ended.err.splitlines()) == 1
    assert "another patchbay already runs on this database" in ended.err
    await world.group().quiet()


async def test_each_wrong_key_stops_the_start_with_a_line_that_names_it_in_full(world: World, tmp_path: Path) -> None:
    wrong: list[tuple[str, str, object]] = [
        ("telegram", "mode", "pigeon"),
        ("telegram", "ownerz", [1]),
        ("accounts.support", "hook_secret", "short"),
        ("accounts.support", "base_url", "ftp://x"),
        ("accounts.support", "app_id", None),
        ("accounts.support", "challenge_mode", "guess"),
        ("accounts.club", "provider", "ecko"),
        ("web", "port", 70000),
        ("web", "public_url", "http://example.org"),
        ("delivery", "max_age", "soon"),
    ]
    tables = world.settings()
    for table, key, value in wrong:
        tables.setdefault(table, {})[key] = value
        if value is None:
            del tables[table][key]
    file = tmp_path / "wrong.toml"
    file.write_text(to_toml(tables))
    ended = await world.patchbay("run", config=file)
    assert (ended.code, ended.out) == (2, "")
    lines = ended.err.splitlines()
    for table, key, _ in wrong:
        assert sum(f"{table}.{key}" in line for line in lines) == 1, (table, key, lines)
    assert len(lines) == len(wrong)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[telegram\n", "TOML"),
        ('[telegram]\ntoken = { env = "NOT_SET_ANYWHERE" }\n', "NOT_SET_ANYWHERE"),
        ("", "telegram.token"),
    ],
)
async def test_a_file_that_cannot_be_used_is_told_in_one_line(
    world: World, tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "broken.toml"
    file.write_text(text)
    ended = await world.patchbay("run", config=file)
    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert told in ended.err


async def test_a_file_that_is_not_there_is_told_with_its_name(world: World, tmp_path: Path) -> None:
    ended = await world.patchbay("run", config=tmp_path / "absent.toml")
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert "absent.toml" in ended.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("dance", "dance"),
        ("routes add nonsense", "->"),
        ("routes remove nothing", "nothing"),
        ("routes test nowhere:1 hello", "nowhere"),
        ("outbox show x", "'x'"),
        ("outbox redirect 1 nowhere:room", "nowhere"),
        ("subscribe nobody", "nobody"),
        ("replay support /no/such/file", "/no/such/file"),
        ("stats --jason", "--jason"),
    ],
)
async def test_a_wrong_command_line_is_told_in_one_line_with_exit_code_2(
    world: World, arguments: str, told: str
) -> None:
    ended = await world.patchbay(*arguments.split())
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert told in ended.err


async def test_a_port_that_is_taken_is_told_in_one_line(world: World, tmp_path: Path) -> None:
    tables = world.settings()
    tables["store"]["path"] = str(tmp_path / "other.sqlite3")
    file = tmp_path / "other.toml"
    file.write_text(to_toml(tables))
    ended = await world.patchbay("run", config=file)
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert f"web.port: cannot listen on 127.0.0.1:{world.port}" in ended.err


async def test_a_database_that_is_none_is_told_in_one_line(world: World, tmp_path: Path) -> None:
    tables = world.settings()
    tables["store"]["path"] = str(tmp_path / "words.sqlite3")
    (tmp_path / "words.sqlite3").write_text("these are words and no database at all" * 100)
    file = tmp_path / "words.toml"
    file.write_text(to_toml(tables))
    ended = await world.patchbay("run", config=file)
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert "store.path" in ended.err


async def test_no_secret_is_written_beside_the_configuration(world: World) -> None:
    for file in filter(Path.is_file, world.database.parent.rglob("*")):
        content = file.read_bytes()
        for secret in (TOKEN, *SECRETS.values()):
            assert secret.encode() not in content, file.name
