"""The connections: aiohttp below the SDK's client, so set up that whatever is valid HTTP is read as such.

The transport that comes with the SDK leaves aiohttp's own bounds for headers as they are: 8 KB for a line,
128 lines. Gateways answer with more, and what they answered has been paid for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import httpx2

from claude_run.api.environment import proxy_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MAX_HEADER = 1024 * 1024
"""Bytes of a header, name and value; more is no header but an attack."""
MAX_HEADERS = 10_000

_IDLE_S = 5.0
"""How long a connection without a request is kept; servers close theirs after a while."""
_CHUNK = 16 * 1024
_SYNONYMS = {"x-gzip": "gzip"}
"""Names of content codings that mean the same: RFC 9110, section 8.4.1.3."""


class Client(httpx2.AsyncClient):
    """Hands what the SDK has built to the transport as it is, and its response back.

    Cookies are not kept, redirects not followed. What a login needs, it does as any client of its kind.
    """

    def __init__(self, transport: Transport, prepare: Callable[[httpx2.Response], None]) -> None:
        super().__init__(transport=transport, follow_redirects=False)
        self._direct = transport
        self._prepare = prepare

    def build_request(
        self,
        method: str,
        url: httpx2.URL | str,
        *,
        headers: Any = None,  # noqa: ANN401 - whatever the SDK hands to a client
        content: Any = None,  # noqa: ANN401 - same
        timeout: Any = None,  # noqa: ANN401 - same
        **options: Any,  # noqa: ANN401 - same
    ) -> httpx2.Request:
        """Build a request; one that asks for nothing beyond these is not merged with settings of the client.

        It has none but for the codings that it can unpack, which the request asks for.
        """
        if any(options.values()) or not isinstance(headers, httpx2.Headers):
            return super().build_request(
                method, url, headers=headers, content=content, timeout=timeout, **options
            )
        headers.setdefault("accept-encoding", self.headers["accept-encoding"])
        extensions = {"timeout": httpx2.Timeout(timeout).as_dict()}
        return httpx2.Request(method, url, headers=headers, content=content, extensions=extensions)

    async def send(
        self,
        request: httpx2.Request,
        *,
        stream: bool = False,
        **options: Any,  # noqa: ANN401 - whatever the SDK asks of a client
    ) -> httpx2.Response:
        """Send a request; `prepare` sees the response before anything of its body is read."""
        if options or request.url.userinfo:
            response = await super().send(request, stream=True, **options)
        else:
            response = await self._direct.handle_async_request(request)
        self._prepare(response)
        try:
            if not stream:
                await response.aread()
        except BaseException:
            await response.aclose()
            raise
        return response


class Transport(httpx2.AsyncBaseTransport):
    """Sends requests one by one, as many at once as there are; its errors are those of aiohttp.

    With `trust_environment` certificates and proxies are those that the environment names.
    """

    def __init__(self, *, trust_environment: bool) -> None:
        self._trusts = trust_environment
        self._certificates = httpx2.create_ssl_context(trust_env=trust_environment)
        self._opened: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str | None] = {}

    @property
    def _session(self) -> aiohttp.ClientSession:
        # Not before the first request: a client that comes to nothing leaves nothing to close.
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S, ssl=self._certificates),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=MAX_HEADER,
                max_field_size=MAX_HEADER,
                max_headers=MAX_HEADERS,
            )
        return self._opened

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request, and return once the head of its response is there."""
        url, limits = str(request.url), request.extensions.get("timeout", {})
        coding = request.headers.encoding
        response = await self._session.request(
            request.method,
            url,
            headers=[(name.decode(coding), value.decode(coding)) for name, value in request.headers.raw],
            data=await request.aread() or None,
            allow_redirects=False,
            proxy=self._proxy(url) if self._trusts else None,
            timeout=aiohttp.ClientTimeout(sock_connect=limits.get("connect"), sock_read=limits.get("read")),
        )
        return httpx2.Response(
            response.status,
            headers=[(name, _plain(name, value)) for name, value in response.raw_headers],
            stream=_Body(response),
            request=request,
        )

    def _proxy(self, url: str) -> str | None:
        # The environment is looked through once for an address, of which a run has one or two.
        if url not in self._proxies:
            self._proxies[url] = proxy_of(url)
        return self._proxies[url]

    async def aclose(self) -> None:
        """Close all connections."""
        if self._opened is not None:
            await self._opened.close()


class _Body(httpx2.AsyncByteStream):
    """The body of a response as it comes, still packed."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.content.iter_chunked(_CHUNK):
            yield chunk

    async def aclose(self) -> None:
        self._response.release()
        await self._response.wait_for_close()


def _plain(name: bytes, value: bytes) -> bytes:
    """Return a header's value with the names of content codings that are known to whoever unpacks them."""
    if name.lower() != b"content-encoding":
        return value
    codings = (coding.strip() for coding in value.decode("latin-1").split(","))
    return ", ".join(_SYNONYMS.get(coding.lower(), coding) for coding in codings).encode("latin-1")
