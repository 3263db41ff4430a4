"""How files are fetched from where a message says that they are, which may be anywhere.

The one place that decides what is asked, so that no bridge can get it wrong:

* what the operator configured (an account's own server, the hosts that its settings name) is asked wherever it is, with
  the account's credentials;
* anything else is asked by https only, without credentials, and only at public addresses. A name is resolved once, and
  the connection goes to what was resolved; a socket to any other address is not even made.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections import OrderedDict
from collections.abc import Collection
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from bot.files import Folder, NotFetched
from bot.http import HttpClient
from bridges.api import File, Flow, Origin, origin_of
from bridges.errors import Refused
from bridges.files import FETCHING, file_of
from bridges.model import Attachment
from bridges.responses import raise_for_status

REDIRECTS_MOST = 3
CONNECTIONS = 8
LED_TO_MOST = 100
HEADERS = ("accept", "accept-encoding", "range")
"""What goes along to a host that is not the account's own."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""How a network without IPv4 reaches the public one."""
_NEVER = (ipaddress.IPv6Network("::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)")


def private_address(message: str) -> NotFetched:
    """A file that lies where strangers must not send us."""
    return NotFetched(message, reason="not fetched, its address is private")


def is_public(address: str) -> bool:
    """Whether an IP address is on the public Internet, also by what it stands for (mapped, 6to4, Teredo, NAT64)."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if any(ip in network for network in _NEVER) or ip.is_site_local:
            return False
        if meant := _stands_for(ip):
            return all(is_public(str(each)) for each in meant)
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_link_local)


def _stands_for(ip: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses of which an IPv6 address is only another form."""
    inside = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
    return [each for each in (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ()), inside) if each is not None]


def check_url(url: httpx.URL) -> None:
    """Raise ``NotFetched`` unless this address of a stranger may be asked at all; a name is judged when resolved."""
    try:
        # As the library will read it that makes the connection.
        read = URL(str(url))
        host, _ = (read.raw_host or "").rstrip(".").lower(), read.port
    except (ValueError, UnicodeError) as error:
        raise NotFetched("the link to the file is no valid address", reason="its link is not valid") from error
    if not host:
        raise NotFetched("the link to the file names no host", reason="its link is not valid")
    if read.scheme != "https":
        raise NotFetched(
            "the link to the file is not https, and its host is none that the account's settings name",
            reason="not fetched, its link is not https",
        )
    if read.user is not None or read.password is not None:
        raise NotFetched("the link to the file holds a user name or password", reason="its link is not valid")
    try:
        literal = ipaddress.ip_address(host.partition("%")[0].strip("[]"))
    except ValueError:
        # 127.1, 0x7f.1, 2130706433: numbers that systems read as addresses, each in its own way.
        if _NUMERIC.fullmatch(host.rpartition(".")[2]):
            raise private_address("the link to the file has an address in an odd spelling") from None
        if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
            raise private_address("the link to the file leads into a private network") from None
    else:
        if not is_public(str(literal)):
            raise private_address("the link to the file leads into a private network")


class PublicOnly(AbstractResolver):
    """Resolves names to public addresses; a name that has any other one is refused as a whole."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See ``aiohttp.abc.AbstractResolver``. Raises ``NotFetched`` too."""
        found = await self._inner.resolve(host, port, family)
        if not all(is_public(each["host"]) for each in found):
            raise private_address("the link to the file leads into a private network")
        return found

    async def close(self) -> None:
        """Close the one that is asked."""
        await self._inner.close()


def _public_socket(info: Any) -> socket.socket:
    """A socket for a connection, if it goes to a public address: whichever way it got there."""
    family, kind, protocol, _, where = info
    if not is_public(str(where[0])):
        raise OSError("this address is private")
    return socket.socket(family, kind, protocol)


def public_connector(resolver: AbstractResolver | None = None) -> aiohttp.BaseConnector:
    """Connections to public addresses only. To be called while the loop runs."""
    return aiohttp.TCPConnector(
        limit=CONNECTIONS,
        resolver=PublicOnly(resolver or aiohttp.ThreadedResolver()),
        use_dns_cache=False,
        socket_factory=_public_socket,
        force_close=True,
    )


class Downloads:
    """Carries the requests of one account's ``fetch``."""

    def __init__(
        self, *, own: Collection[Origin], folder: Folder | None, resolver: AbstractResolver | None = None
    ) -> None:
        self._own = frozenset(own)
        self._near = HttpClient(connections=CONNECTIONS, folder=folder)
        self._far = HttpClient(folder=folder, connector=lambda: public_connector(resolver))
        self._led_to: OrderedDict[str, None] = OrderedDict()
        """Where one of the own servers sent us, on the same machine: its storage."""

    def stranger(self, ref: str) -> str | None:
        """The host of a file that lies with strangers; None where what it is known by is no address of theirs."""
        try:
            url = httpx.URL(ref)
        except httpx.InvalidURL:
            return None
        return None if url.scheme not in ("https", "http") or origin_of(url) in self._own else url.host

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises ``httpx.TransportError``, and ``NotFetched`` for what is not to be asked."""
        if origin_of(request.url) in self._own or str(request.url) in self._led_to:
            response = await self._near.send(request)
            self._follow(request.url, response)
            return response
        check_url(request.url)
        if request.method != "GET":
            raise Refused("only files are asked of a host that is not the account's own")
        headers = {name: value for name, value in request.headers.items() if name in HEADERS}
        bare = httpx.Request("GET", request.url, headers=headers, extensions=request.extensions)
        return await self._far.send(bare)

    def _follow(self, url: httpx.URL, response: httpx.Response) -> None:
        if not response.has_redirect_location:
            return
        try:
            target = url.join(response.headers["location"])
        except httpx.InvalidURL:
            return
        if target.host == url.host and not target.userinfo:
            self._led_to[str(target)] = None
            if len(self._led_to) > LED_TO_MOST:
                self._led_to.popitem(last=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._near.close()
        await self._far.close()


def plain(attachment: Attachment) -> Flow[File]:
    """Fetch a file whose reference is simply its address."""
    what = "the file"
    try:
        url = httpx.URL(attachment.ref)
    except httpx.InvalidURL as error:
        raise NotFetched("the link to the file is no valid address", reason="its link is not valid") from error
    for _ in range(REDIRECTS_MOST + 1):
        if url.scheme not in ("https", "http") or not url.host:
            raise NotFetched("the file has no address that can be asked", reason="it is not to be had")
        response = yield httpx.Request("GET", url, extensions=dict(FETCHING))
        if not response.has_redirect_location:
            raise_for_status(response, what=what)
            return file_of(response)
        try:
            url = url.join(response.headers["location"])
        except httpx.InvalidURL as error:
            raise NotFetched("redirected to something that is no address", reason="its link is not valid") from error
    raise NotFetched("redirected in a circle", reason="its link is not valid")
