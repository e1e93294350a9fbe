"""Visitors for the load test: a program that calls the page's API, a person with the page open, a person at the bench.

Each speaks what the real client speaks, over one connection at a time, and remembers nothing but its answer.
"""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from urllib.parse import urlsplit

FILE = {"_type": "gradio.FileData"}
BOUNDARY = "-" * 20 + "leukoscope"
SECONDS = 120  # for one answer


class Busy(Exception):
    """The server said politely that it has no room; its words."""


class Failed(Exception):
    """Anything else that is no answer."""


def ask(url: str, body: object = None, kind: str = "application/json") -> bytes:
    """What a GET gives, or a POST of a body.

    Raises:
        Busy, Failed: see there.
    """
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:  # an address of this benchmark  # nosec B310
            return reply.read()
    except urllib.error.HTTPError as error:
        words = error.read().decode(errors="replace")
        if error.code == 503 and "ahead of you" in words:
            raise Busy(words) from None
        raise Failed(f"{error.code}: {words[:200]}") from None
    except (OSError, HTTPException) as error:
        raise Failed(f"{type(error).__name__}: {error}") from None


def events(stream: bytes) -> Iterator[tuple[str, object]]:
    """(name, data) of the events that a server sent."""
    name = ""
    for line in stream.decode().splitlines():
        key, _, value = line.partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)


def upload(url: str, name: str, picture: bytes) -> dict:
    """Send a picture; the file as later requests name it."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    body = head + picture + f"\r\n--{BOUNDARY}--\r\n".encode()
    (path,) = json.loads(ask(f"{url}/gradio_api/upload", body, f"multipart/form-data; boundary={BOUNDARY}"))
    return {"path": path, "orig_name": name, "meta": FILE}


def called(url: str, endpoint: str, *data: object) -> str:
    """Call an endpoint of the API; the event whose answer can be fetched."""
    event: str = json.loads(ask(f"{url}/gradio_api/call/{endpoint}", {"data": data}))["event_id"]
    return event


def fetched(url: str, endpoint: str, event: str) -> object:
    """The answer to such an event: the JSON that the endpoint gives."""
    for kind, data in events(ask(f"{url}/gradio_api/call/{endpoint}/{event}")):
        if kind == "complete":
            return data
    raise Failed("the endpoint gave an error")


class Program:
    """Calls /scan."""

    def __init__(self, url: str) -> None:
        self.url = url

    def visit(self, name: str, picture: bytes) -> object:
        """The answer to one picture: the JSON that the endpoint gives."""
        return fetched(self.url, "scan", called(self.url, "scan", upload(self.url, name, picture)))


class PageVisitor:
    """Opens the page, chooses a picture and reads the verdict."""

    def __init__(self, url: str) -> None:
        self.url, self.session = url, secrets.token_hex(6)
        config = json.loads(ask(f"{url}/config"))
        self.function = next(f["id"] for f in config["dependencies"] if f["api_name"] == "show")

    def visit(self, name: str, picture: bytes) -> object:
        """The answer to one picture: the HTML of verdict, bars and cards."""
        ask(self.url)
        asked = {"data": [upload(self.url, name, picture), None, False, None], "fn_index": self.function}
        ask(f"{self.url}/gradio_api/queue/join", asked | {"session_hash": self.session})
        for _, data in events(ask(f"{self.url}/gradio_api/queue/data?session_hash={self.session}")):
            if data["msg"] == "process_completed":
                if data["success"]:
                    return data["output"]["data"][1:4]
                raise Failed(f"the page gave an error: {str(data['output'])[:200]}")
        raise Failed("the page gave no answer")


class BenchVisitor:
    """Opens the bench's app, has it classify its drawing, and reads the verdict."""

    def __init__(self, url: str) -> None:
        self.url = url

    def visit(self, name: str, picture: bytes) -> object:
        """The answer to the app's own drawing: all HTML that the app shows about it. A picture given is not used."""
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        address = f"ws://{urlsplit(self.url).netloc}/_stcore/stream"
        try:
            with connect(
                address, subprotocols=["streamlit"], origin=self.url, max_size=2**26, open_timeout=SECONDS
            ) as socket:
                _, widgets = self._run(socket, {})
                source = next(widget for widget in widgets if widget.endswith("-picture_source"))
                shown, _ = self._run(socket, {source: "A drawing"})
        except (OSError, WebSocketException, StopIteration) as error:
            raise Failed(f"{type(error).__name__}: {error}") from None
        if not shown:
            raise Failed("the app shows no verdict")
        return shown

    def _run(self, socket, values: dict[str, str]) -> tuple[list[str], set[str]]:
        """Run the app once with these widgets' values: the verdicts that it shows, and its widgets' ids."""
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        message = BackMsg()
        message.rerun_script.query_string = ""
        for widget, value in values.items():
            message.rerun_script.widget_states.widgets.add(id=widget).string_array_value.data.append(value)
        socket.send(message.SerializeToString())
        shown, widgets = [], set()
        while True:
            told = ForwardMsg.FromString(socket.recv(timeout=SECONDS))
            kind = told.WhichOneof("type")
            if kind == "script_finished" and told.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                return shown, widgets
            if kind == "delta":
                element = told.delta.new_element
                what = element.WhichOneof("type")
                if what == "exception":
                    raise Failed("the app shows an exception")
                if what == "html" and "lk-verdict" in element.html.body:
                    shown.append(element.html.body)
                if what == "button_group":
                    widgets.add(element.button_group.id)
