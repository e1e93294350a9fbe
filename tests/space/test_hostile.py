"""Hostile pictures and requests against the page's API: a sentence comes back, never a traceback or a server's path."""

import json
import time
from pathlib import Path

import pytest

from leukoscope import ImageError
from leukoscope.pictures.images import read_image
from leukoscope.showing import wording
from tests.hostile.corpus import cases
from tests.space.conftest import EXAMPLES, ROOT
from tests.space.test_ending import upload
from tests.space.test_programs import FILE, ask, bait, call, question  # noqa: F401 (bait is a fixture)

MOST_BYTES = 2**20  # of a case that is sent
EVERY = 9  # cases are sent: all are looked at in tests/hostile, here is only what the page makes of them
PLACES = (str(ROOT), "site-packages", "Traceback", "/tmp/", ".py")


def some_cases() -> list:
    """Encoded pictures of the corpus that the page has an answer to, spread over its groups."""
    found = []
    for case in cases():
        if case.name.startswith(("damaged", "metadata", "kinds", "pages", "renamed", "sizes")):
            made = case.make(Path("/nowhere")) if not case.name.startswith("renamed") else None
            if isinstance(made, bytes) and 0 < len(made) < MOST_BYTES:
                found.append((case.name, made))
    return found[::EVERY]


def why_not(data: bytes) -> str:
    """What the page must say of a picture that cannot be read; nothing of one that can."""
    try:
        read_image(data)
    except ImageError as error:
        return wording.sentence(error)
    return ""


def test_hostile_pictures_get_an_answer_or_the_reason(app):
    sent = some_cases()
    assert len(sent) > 40
    refused = 0
    for name, data in sent:
        path = upload(app.url, data, "cell.png")
        status, answer = call(app.url, "classify", {"path": path, "meta": FILE})
        assert status == 200, name
        reason = why_not(data)
        refused += bool(reason)
        assert answer.startswith("event: error" if reason else "event: complete"), (name, answer)
        assert json.dumps(reason)[1:-1] in answer, (name, answer)
        assert not [place for place in PLACES if place in answer], (name, answer)
    assert refused > 20
    assert "Traceback" not in app.log.read_text()


@pytest.mark.parametrize("name", ["../../../etc/cron.d/x", "a\0b.png", "x" * 300 + ".png", "=1+1.png", "\x1b[31m.png"])
def test_a_hostile_file_name_stays_in_the_upload_folder(app, name):
    before = set(app.uploads.parent.rglob("*"))
    content = (EXAMPLES / "monocyte.png").read_bytes() + name.encode()
    boundary = "b"
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    status, text = ask(f"{app.url}/gradio_api/upload", body + content + b"\r\n--b--\r\n", headers)
    assert "Traceback" not in text
    new = {path for path in set(app.uploads.parent.rglob("*")) - before if path.is_file()}
    assert all(path.resolve().is_relative_to(app.uploads.resolve()) for path in new)
    if status == 200:
        (path,) = json.loads(text)
        answer = call(app.url, "classify", {"path": path, "meta": FILE})[1]
        assert answer.startswith("event: complete")


def test_an_address_beside_a_real_upload_is_not_fetched(app, bait):  # noqa: F811
    path = upload(app.url, (EXAMPLES / "monocyte.png").read_bytes(), "a.png")
    for url in (bait.address, "file:///etc/passwd", "//127.0.0.1/x"):
        file = {"path": path, "url": url, "meta": FILE}
        status, answer = call(app.url, "scan", file)
        assert status == 200
        assert answer.startswith("event: complete")
        for name, data in (("show", [file, False, None]), ("count", [[file], None, False])):  # the page's own questions
            number = question(app.url, name)
            ask(f"{app.url}/gradio_api/queue/join", {"data": data, "fn_index": number, "session_hash": f"s{number}"})
    for odd in ("ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "file:///etc/passwd", "data:image/png;base64,AA"):
        status, answer = call(app.url, "scan", {"path": odd, "meta": FILE})
        assert status != 200 or answer.startswith("event: error")
        assert "root:" not in answer
    time.sleep(0.5)
    assert bait.asked == []


def test_no_question_goes_out_and_no_analytics(app):
    """The page's process has no connection to anything but its visitors on loopback."""
    import psutil

    ask(app.url)
    for connection in psutil.Process(app.process.pid).net_connections(kind="inet"):
        assert not connection.raddr or connection.raddr.ip in ("127.0.0.1", "::1"), connection
    config = json.loads(ask(f"{app.url}/config")[1])
    assert config["analytics_enabled"] is False
    assert not config.get("share_url")
