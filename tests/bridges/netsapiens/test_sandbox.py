"""The stand-in for NetSapiens' server: strict about what is documented, and it forgets nothing over a snapshot."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from bridges.netsapiens.sandbox import NetSapiensSandbox
from bridges.netsapiens.sandbox_store import SmsNumber
from tests.bridges.netsapiens.common import OTHER_PHONE, OURS, PHONE, PNG, Serve, World, encoded, out

SESSION = "0123456789abcdef0123456789abcdef"
SMS: dict[str, Any] = {"type": "sms", "message": "hi", "destination": PHONE, "from-number": OURS}
CHAT: dict[str, Any] = {"type": "chat", "message": "hi", "destination": "4101"}
FILE: dict[str, Any] = {"data": encoded(), "mime-type": "image/png", "size": len(PNG)}


async def call(
    sandbox: NetSapiensSandbox, method: str, path: str, body: object = None, *, token: str | None = None, **more: Any
) -> httpx.Response:
    """One request; ``path`` is below the extension 4100 unless it begins with a slash."""
    base = "/ns-api/v2" if path.startswith("/") else "/ns-api/v2/domains/acme.example/users/4100/"
    headers = {"Authorization": f"Bearer {sandbox.api_key if token is None else token}"}
    if body is not None:
        more["json"] = body
    transport = httpx.ASGITransport(app=sandbox.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.request(method, base + path, headers={**headers, **more.pop("headers", {})}, **more)


@pytest.mark.parametrize(
    "body",
    [
        CHAT,
        {**CHAT, "destination": ["4101", "4102"]},
        {**CHAT, "data": None, "mime-type": None, "size": None},
        {**CHAT, "type": "chat-media", **FILE},
        SMS,
        {**SMS, "destination": [PHONE, OTHER_PHONE]},
        {**SMS, "type": "mms", **FILE},
        {**SMS, "type": "mms", "destination": [PHONE], **FILE},
    ],
)
async def test_every_documented_send_is_accepted(body: dict[str, Any]) -> None:
    sandbox = NetSapiensSandbox()
    response = await call(sandbox, "POST", f"messagesessions/{SESSION}/messages", body)
    assert (response.status_code, response.json()) == (202, {"code": 202, "message": "Accepted"})
    assert sandbox.accepted[0].session == SESSION


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({**CHAT, "colour": "red"}, "unknown field 'colour'"),
        ({"type": "chat", "destination": "4101"}, "message must be"),
        ({**CHAT, "message": ""}, "message must be"),
        ({**CHAT, "message": 5}, "message must be"),
        ({**CHAT, "type": "fax"}, "type must be"),
        ({**CHAT, "destination": []}, "destination must be"),
        ({**CHAT, "destination": 4101}, "destination must be"),
        ({**CHAT, "destination": ["4101", 4102]}, "destination must be"),
        ({**CHAT, "destination": ["4101", "4101"]}, "twice"),
        ({**CHAT, "from-number": OURS}, "from-number is for SMS"),
        ({**CHAT, **FILE}, "are for chat-media and MMS"),
        ({**CHAT, "type": "chat-media"}, "data must be"),
        ({**CHAT, "type": "chat-media", **FILE, "data": "data:image/png;base64,AAAA"}, "data is not base64"),
        ({**CHAT, "type": "chat-media", **FILE, "data": "AAA"}, "data is not base64"),
        ({**CHAT, "type": "chat-media", **FILE, "size": len(encoded())}, "size must be"),
        ({**CHAT, "type": "chat-media", **FILE, "size": str(len(PNG))}, "size must be"),
        ({**CHAT, "type": "chat-media", **FILE, "mime-type": "png"}, "mime-type must be"),
        ({"type": "sms", "message": "hi", "destination": PHONE}, "from-number is required"),
        ({**SMS, "from-number": "15550100111"}, "invalid from-number"),
        ({**SMS, "from-number": "15550100998"}, "invalid from-number"),
        ({**SMS, "from-number": f"+{OURS}"}, "invalid from-number"),
        ({**SMS, "destination": f"+{PHONE}"}, "invalid destination"),
        ({**SMS, "destination": "4101x"}, "invalid destination"),
        ({**SMS, "type": "mms"}, "data must be"),
    ],
)
async def test_a_send_that_is_not_as_documented_is_refused(body: dict[str, Any], words: str) -> None:
    sandbox = NetSapiensSandbox(numbers=[SmsNumber(OURS, "4100"), SmsNumber("15550100998", "4101")])
    response = await call(sandbox, "POST", f"messagesessions/{SESSION}/messages", body)
    assert (response.status_code, response.json()["code"]) == (400, 400)
    assert words in response.json()["message"]
    assert sandbox.accepted == []


@pytest.mark.parametrize(
    ("session", "status"),
    [
        (SESSION, 202),
        ("A_" * 20, 202),
        (SESSION[:31], 400),
        ("01234567-89ab-cdef-0123-456789abcdef", 400),
        ("new", 400),
    ],
)
async def test_a_session_that_a_client_begins_has_an_id_of_the_documented_form(session: str, status: int) -> None:
    response = await call(NetSapiensSandbox(), "POST", f"messagesessions/{session}/messages", CHAT)
    assert response.status_code == status


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_a_send_that_is_not_json_is_refused(content_type: str) -> None:
    sandbox = NetSapiensSandbox()
    path = f"messagesessions/{SESSION}/messages"
    headers = {"Content-Type": content_type}
    response = await call(sandbox, "POST", path, content=json.dumps(CHAT).encode(), headers=headers)
    assert response.status_code == 400


@pytest.mark.parametrize("destination", ["4999", ["4101", "4999"]])
async def test_a_chat_to_nobody_is_a_missing_record(destination: object) -> None:
    response = await call(
        NetSapiensSandbox(), "POST", f"messagesessions/{SESSION}/messages", {**CHAT, "destination": destination}
    )
    assert (response.status_code, response.json()["message"]) == (404, "user 4999 not found")


@pytest.mark.parametrize(("method", "path"), [("GET", "/domains/acme.example/messagesessions"), ("POST", "messages")])
async def test_a_server_of_v44_lacks_two_routes_and_says_so_as_they_do(method: str, path: str) -> None:
    body = CHAT if method == "POST" else None
    missing = await call(NetSapiensSandbox(version="v44"), method, path, body)
    assert (missing.status_code, missing.json()["message"]) == (404, "No Route Found [92]")
    assert (await call(NetSapiensSandbox(), method, path, body)).status_code == 200


@pytest.mark.parametrize("path", ["/domains/acme.example/fax", "/nothing", "faxes"])
async def test_a_route_that_is_not_documented_is_not_there(path: str) -> None:
    response = await call(NetSapiensSandbox(), "GET", path)
    assert (response.status_code, response.json()["message"]) == (404, "No Route Found [92]")


@pytest.mark.parametrize("token", ["", "wrong", "nss_sandbox_netsapiens_ke"])
async def test_a_wrong_token_is_refused(token: str) -> None:
    assert (await call(NetSapiensSandbox(), "GET", "messagesessions", token=token)).status_code == 401


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "start=-1", "start=1.5", "page=2"])
async def test_a_page_that_cannot_be_is_refused(query: str) -> None:
    assert (await call(NetSapiensSandbox(), "GET", f"messagesessions?{query}")).status_code == 400


async def test_a_list_is_cut_at_a_hundred_rows_unless_it_is_asked_for_more() -> None:
    sandbox = NetSapiensSandbox(numbers=[SmsNumber(str(15550200000 + i), "4100") for i in range(130)])
    lengths = [
        len((await call(sandbox, "GET", f"smsnumbers{query}")).json())
        for query in ("", "?limit=1000", "?limit=100&start=100")
    ]
    assert lengths == [100, 130, 30]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "message", "post-url": "https://a.example/x", "domain": "acme.example"}, 200),
        ({"model": "fax", "post-url": "https://a.example/x", "domain": "acme.example"}, 400),
        ({"model": "message", "post-url": "a.example", "domain": "acme.example"}, 400),
        ({"model": "message", "domain": "acme.example"}, 400),
        ({"model": "message", "post-url": "https://a.example/x"}, 403),
        ({"model": "message", "post-url": "https://a.example/x", "domain": "other.example"}, 404),
        ({"model": "message", "post-url": "https://a.example/x", "domain": "acme.example", "user": "4999"}, 404),
        ({"model": "message", "post-url": "https://a.example/x", "domain": "acme.example", "colour": "red"}, 400),
        (
            {
                "model": "message",
                "post-url": "https://a.example/x",
                "domain": "acme.example",
                "subscription-expires-datetime": "2035-01-01T00:00:00Z",
            },
            400,
        ),
    ],
)
async def test_a_subscription_is_checked_as_documented(body: dict[str, Any], status: int) -> None:
    assert (await call(NetSapiensSandbox(), "POST", "/subscriptions", body)).status_code == status


async def test_the_same_subscription_again_is_a_conflict() -> None:
    sandbox = NetSapiensSandbox()
    body = {"model": "message", "post-url": "https://a.example/x", "domain": "acme.example"}
    statuses = [(await call(sandbox, "POST", "/subscriptions", body)).status_code for _ in range(2)]
    assert statuses == [200, 409]


@pytest.mark.parametrize(
    ("body", "status"),
    [({"error-count": 0}, 202), ({"error-count": 3}, 400), ({"user": "4101"}, 202), ({"colour": "red"}, 400)],
)
async def test_a_subscription_is_changed_as_documented(body: dict[str, Any], status: int) -> None:
    sandbox = NetSapiensSandbox()
    id = sandbox.subscribe("https://a.example/x")
    assert (await call(sandbox, "PUT", f"/subscriptions/{id}", body)).status_code == status


async def test_a_subscription_tells_whether_its_posts_arrive(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    good, bad = world.sandbox.subscribe(world.url), world.sandbox.subscribe("http://127.0.0.1:9/x")
    await world.sandbox.text(PHONE, OURS, "hi")
    kept = world.sandbox.subscriptions
    assert (kept[good]["status"], kept[good]["posts-count"]) == ("active", 1)
    assert (kept[bad]["status"], kept[bad]["error-count"]) == ("error", 1)


async def test_a_subscription_to_one_extension_posts_nothing_of_others(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    world.sandbox.subscribe(world.url, user="4100")
    await world.sandbox.chat("4101", "4102", "private words")
    await world.sandbox.chat("4101", "4100", "for us")
    assert [event.message.text for event in world.events()] == ["for us"]


async def test_nobody_writes_to_a_number_or_an_extension_that_is_none() -> None:
    sandbox = NetSapiensSandbox()
    sandbox.subscribe("http://127.0.0.1:9/x")
    with pytest.raises(LookupError, match="no number 15550100111"):
        await sandbox.text(PHONE, "15550100111", "hi")
    with pytest.raises(LookupError, match="no extension 4999"):
        await sandbox.chat("4999", "4100", "hi")


async def test_whoever_writes_is_told_that_nobody_listens() -> None:
    with pytest.raises(LookupError, match="patchbay subscribe"):
        await NetSapiensSandbox().text(PHONE, OURS, "hi")


async def test_a_link_with_another_signature_opens_nothing(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    world.sandbox.subscribe(world.url)
    await world.sandbox.text(PHONE, OURS, "media", media=PNG)
    link = world.events()[0].message.attachments[0].ref
    assert (await client.get(link)).content == PNG
    assert (await client.get(link[:-1] + ("0" if link[-1] != "0" else "1"))).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"participants": "4100,4101,4102"}, 202),
        ({"participants": "4101,4102"}, 400),
        ({"participants": ["4100", "4101"]}, 400),
        ({"participants": "4100,4999"}, 404),
        ({"session-name": "Ops room"}, 202),
        ({"session-name": ""}, 400),
        ({"session-name": "Ops room", "participants": "4100,4101"}, 400),
        ({}, 400),
    ],
)
async def test_a_session_is_changed_as_documented(body: dict[str, Any], status: int) -> None:
    sandbox = NetSapiensSandbox()
    await call(sandbox, "POST", f"messagesessions/{SESSION}/messages", CHAT)
    assert (await call(sandbox, "PUT", f"messagesessions/{SESSION}", body)).status_code == status


async def test_a_snapshot_is_json_and_nothing_is_lost_by_it(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    world.sandbox.subscribe(world.url)
    await world.sandbox.text(PHONE, OURS, "media", media=PNG)
    await world.deliver(out(f"sms/{PHONE},{OTHER_PHONE}"))
    kept = json.loads(json.dumps(world.sandbox.snapshot()))
    again = NetSapiensSandbox(clock=world.clock)
    again.restore(kept)
    assert again.state() == world.sandbox.state()
    assert again.accepted == world.sandbox.accepted
    assert json.loads(json.dumps(again.snapshot())) == json.loads(json.dumps(world.sandbox.snapshot()))


async def test_after_a_snapshot_no_id_is_given_out_twice(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    await world.deliver(out("chat/4101"))
    kept = world.sandbox.snapshot()
    await world.deliver(out("chat/4102", key="k2"))
    again = NetSapiensSandbox(clock=world.clock)
    again.restore(kept)
    before = {row["id"] for row in kept["messages"]}
    await call(again, "POST", f"messagesessions/{SESSION}/messages", CHAT)
    ids = [row["id"] for row in again.snapshot()["messages"]]
    assert len(ids) == len(set(ids)) == 2
    assert before < set(ids)


async def test_a_restored_server_still_opens_its_links(serve: Serve, client: httpx.AsyncClient) -> None:
    world = World(serve, client)
    world.sandbox.subscribe(world.url)
    await world.sandbox.text(PHONE, OURS, "media", media=PNG)
    link = httpx.URL(world.events()[0].message.attachments[0].ref)
    again = NetSapiensSandbox(clock=world.clock)
    again.restore(world.sandbox.snapshot())
    transport = httpx.ASGITransport(app=again.app)
    async with httpx.AsyncClient(transport=transport) as restored:
        assert (await restored.get(link)).content == PNG
