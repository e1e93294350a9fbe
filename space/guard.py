"""What stands before Gradio: it refuses what this page never needs, and says so in a sentence.

Gradio would fetch an address that a visitor names in place of a file, or pass it on. This page fetches nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

MOST_JSON_BYTES = 2**20
NO_ADDRESS = "Give a file, not an address: this server fetches nothing from other places."
TOO_LONG = "This request is too long."
NO_JSON = "This request is no JSON."
BUSY = "Busy: {ahead} others are ahead of you, and no more can wait. Try again in a minute."
CLOSING = "This server is about to end and takes no new question. Try again in a minute."
FETCHING_PATHS = ("/file=http:", "/file=https:", "/file/http:", "/file/https:", "/proxy=")
HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"permissions-policy": b"camera=(self), microphone=(), geolocation=()",
}


@dataclass
class Traffic:
    """What goes on: requests that are being answered, and whether new questions are still taken.

    An open page's heartbeat, which lasts as long as the page, is no question.
    """

    open: int = 0
    closing: bool = False


class Guard:
    """ASGI middleware."""

    def __init__(self, app, most_waiting: int, traffic: Traffic) -> None:
        self.app = app
        self.most_waiting = most_waiting
        self.traffic = traffic

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http" or "/heartbeat/" in scope["path"]:
            return await self.app(scope, receive, send)
        if self.traffic.closing and scope["method"] == "POST":
            return await _answer(send, 503, CLOSING)
        self.traffic.open += 1
        try:
            await self._pass_on(scope, receive, send)
        finally:
            self.traffic.open -= 1

    async def _pass_on(self, scope, receive, send) -> None:
        path = scope["path"].lower().replace("//", "/")
        if any(part.replace("//", "/") in path for part in FETCHING_PATHS):
            return await _answer(send, 403, NO_ADDRESS)
        if scope["method"] == "POST" and not path.rstrip("/").endswith("/upload"):
            body = await _body(receive)
            if body is None:
                return await _answer(send, 413, TOO_LONG)
            try:
                if _names_address(json.loads(body or b"null")):
                    return await _answer(send, 400, NO_ADDRESS)
            except (ValueError, RecursionError):
                return await _answer(send, 400, NO_JSON)
            receive = _replay(body, receive)
        return await self.app(scope, receive, self._sender(send))

    def _sender(self, send):
        """Adds the headers, and puts a sentence in place of a full queue's refusal."""
        refused = False

        async def sender(message: dict) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                refused = message["status"] == 503
                if refused:
                    return await _answer(send, 503, BUSY.format(ahead=self.most_waiting))
                present = {name.lower() for name, _ in message.get("headers", ())}
                extra = [(name, value) for name, value in HEADERS.items() if name not in present]
                message = message | {"headers": [*message.get("headers", ()), *extra]}
            if not refused:
                await send(message)

        return sender


def _names_address(value: Any) -> bool:
    """Whether a request names an address where Gradio expects a file."""
    if isinstance(value, dict):
        path = value.get("path")
        if isinstance(path, str) and path.strip().lower().startswith(("http:", "https:")):
            return True
        return any(map(_names_address, value.values()))
    return isinstance(value, list) and any(map(_names_address, value))


async def _body(receive) -> bytes | None:
    """The whole body; None if it is too long."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_JSON_BYTES:
            return None
        more = message.get("more_body", False)
    return b"".join(parts)


def _replay(body: bytes, receive):
    sent = False

    async def replay() -> dict:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _answer(send, status: int, sentence: str) -> None:
    body = json.dumps({"detail": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
