"""What programs get: the two endpoints, and what hostile requests get."""

import base64
import json
import re
import shutil
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from tests.space.conftest import EXAMPLES, ROOT

FILE = {"_type": "gradio.FileData"}
HEARTBEAT = "event: heartbeat\ndata: null\n\n"  # is sent to who waits for long
SEVERAL = EXAMPLES / "several_cells.webp"


def ask(url, body=None, headers=None):
    """Status and text of an answer; a JSON body is posted."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} | (headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def call(url, endpoint, *data):
    """What an endpoint streams to a program that names its input itself."""
    status, text = ask(f"{url}/gradio_api/call/{endpoint}", {"data": data})
    if status == 200:
        status, text = ask(f"{url}/gradio_api/call/{endpoint}/{json.loads(text)['event_id']}")
        text = text.replace(HEARTBEAT, "")
    return status, text


@pytest.fixture(scope="module")
def client(app, tmp_path_factory):
    folder = tmp_path_factory.mktemp("client")
    return Client(app.url, verbose=False, analytics_enabled=False, download_files=folder)


def test_the_program_of_the_readme_runs(app, classifier, tmp_path, monkeypatch):
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "space" / "README.md").read_text(), re.DOTALL)
    assert "user/leukoscope" in block
    shutil.copyfile(SEVERAL, tmp_path / "smear.jpg")
    monkeypatch.chdir(tmp_path)
    given = {}
    exec(block.replace("user/leukoscope", app.url), given)
    assert given["answer"]["label"] == classifier.predict("smear.jpg").label
    assert len(given["answers"]) == len(classifier.scan("smear.jpg"))


def test_a_program_gets_what_the_library_gives(client, classifier, tmp_path):
    path = EXAMPLES / "neutrophil.png"
    answer = client.predict(handle_file(path), api_name="/classify")
    prediction = classifier.predict(path)
    assert answer["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-6)
    assert answer["confidence"] == pytest.approx(prediction.confidence, abs=1e-6)
    assert (answer["label"], answer["verdict"], answer["cut"]) == (prediction.label, prediction.verdict, prediction.cut)
    assert answer["box"] == list(prediction.box)

    answer = client.predict(photo=handle_file(SEVERAL), api_name="/scan")
    predictions = classifier.scan(SEVERAL)
    assert (answer["width"], answer["height"]) == (800, 600)
    assert [cell["label"] for cell in answer["cells"]] == [p.label for p in predictions]
    assert [cell["box"] for cell in answer["cells"]] == [list(p.box) for p in predictions]
    assert client.predict(handle_file(EXAMPLES / "no_white_cell.png"), api_name="/scan")["cells"] == []

    (tmp_path / "notes.jpg").write_text("no picture at all")
    for name in ("/classify", "/scan"):
        with pytest.raises(AppError, match="Not a picture of a known format"):
            client.predict(handle_file(tmp_path / "notes.jpg"), api_name=name)


def test_the_endpoints_say_what_they_take_and_give(app, client):
    described = client.view_api(return_format="dict")
    assert sorted(described["named_endpoints"]) == ["/classify", "/scan"]
    assert described["unnamed_endpoints"] == {}
    info = json.loads(ask(f"{app.url}/gradio_api/info")[1])["named_endpoints"]
    for name, key in (("/classify", "unfamiliarity: 0-1"), ("/scan", "the most prominent first")):
        assert key in info[name]["description"]
        assert "not a medical device" in info[name]["description"]
        (parameter,) = info[name]["parameters"]
        assert parameter["parameter_name"] == "photo"
        assert "not an address" in parameter["python_type"]["description"]
        assert "handle_file('smear.jpg')" in info[name]["code_snippets"]["python"]


@pytest.mark.parametrize("mark", [{}, {"meta": FILE}], ids=["unmarked", "marked"])
@pytest.mark.parametrize("path", [str(EXAMPLES / "neutrophil.png"), "/etc/passwd", "../../etc/passwd", "", None, 5])
def test_a_request_cannot_name_a_file_of_the_server(app, path, mark):
    status, answer = call(app.url, "classify", {"path": path} | mark)
    assert status != 200 or answer.startswith("event: error")
    assert "probabilities" not in answer


@pytest.mark.parametrize("data", [[], ["x"], [7], [[1]], [{"path": ["a"]}], [{"a": {"b": None}}], [None], [True, 2]])
def test_nonsense_gets_an_error_without_a_traceback(app, data):
    status, answer = call(app.url, "scan", *data)
    assert status != 200 or answer.startswith("event: error")
    assert "Traceback" not in answer
    assert str(ROOT) not in answer


@pytest.fixture
def bait():
    """A server on loopback that notes who asks it for anything."""
    from http.server import BaseHTTPRequestHandler, HTTPServer

    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.asked, server.address = asked, f"http://127.0.0.1:{server.server_port}/cell.png"
    yield server
    server.shutdown()


def question(url: str, name: str) -> int:
    """The number of one of the page's own questions."""
    dependencies = json.loads(ask(f"{url}/config")[1])["dependencies"]
    return next(one["id"] for one in dependencies if one["api_name"] == name)


def test_the_server_fetches_no_address_of_a_visitor(app, bait):
    for spelling in (bait.address, bait.address.upper(), " " + bait.address, bait.address.replace("http", "https")):
        for mark in ({}, {"meta": FILE}):
            assert call(app.url, "scan", {"path": spelling} | mark)[0] == 400
            count = question(app.url, "count")
            joined = {"data": [[{"path": spelling} | mark], None, False], "fn_index": count, "session_hash": "x"}
            assert ask(f"{app.url}/gradio_api/queue/join", joined)[0] == 400
    for place in ("file=", "file/", "proxy=", "file=/", "file//"):
        status, answer = ask(f"{app.url}/gradio_api/{place}{bait.address}")
        assert status in (403, 404), place
    status, answer = call(app.url, "scan", {"url": bait.address, "path": "", "meta": FILE})
    assert status != 200 or answer.startswith("event: error")
    time.sleep(0.5)
    assert bait.asked == []
    assert "this server fetches nothing" in ask(f"{app.url}/gradio_api/file={bait.address}")[1]


@pytest.mark.parametrize(
    "path",
    [
        ROOT / "space" / "app.py",
        EXAMPLES / "neutrophil.png",
        "/etc/passwd",
        "../../../../etc/passwd",
        "..%2f..%2f..%2fetc%2fpasswd",
        "/proc/self/environ",
        "C:/Windows/win.ini",
    ],
    ids=str,
)
def test_nothing_outside_the_upload_folder_is_served(app, path):
    for place in ("gradio_api/file=", "gradio_api/file/", "static/", "assets/"):
        assert ask(f"{app.url}/{place}{path}")[0] in (400, 403, 404)


def test_no_path_of_the_server_stands_in_the_page(app):
    for place in ("", "config", "gradio_api/info", "theme.css", "gradio_api/openapi.json"):
        text = ask(f"{app.url}/{place}")[1]
        assert text
        for path in (str(ROOT), "site-packages", str(ROOT.parent)):
            assert path not in text.replace(str(app.uploads), ""), place


def test_headers_keep_browsers_from_guessing(app):
    with urllib.request.urlopen(app.url, timeout=60) as reply:
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
    origin = {"Origin": "https://elsewhere.example"}
    request = urllib.request.Request(f"{app.url}/config", headers=origin)
    with urllib.request.urlopen(request, timeout=60) as reply:
        assert reply.headers.get("Access-Control-Allow-Origin") is None


def test_long_and_broken_requests_are_refused_in_a_sentence(app):
    address = f"{app.url}/gradio_api/call/scan"
    assert ask(address, b'{"data": ["' + b"x" * 2**21 + b'"]}') == (413, '{"detail": "This request is too long."}')
    assert ask(address, b"{") == (400, '{"detail": "This request is no JSON."}')
    assert ask(address, b"[" * 100_000)[0] == 400


def test_too_many_at_once_get_a_polite_answer_and_the_others_theirs(app, classifier):
    encoded = urllib.request.Request(
        f"{app.url}/gradio_api/upload",
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.webp"\r\n\r\n'
        + SEVERAL.read_bytes()
        + b"\r\n--b--\r\n",
        {"Content-Type": "multipart/form-data; boundary=b"},
    )
    with urllib.request.urlopen(encoded, timeout=60) as reply:
        (path,) = json.load(reply)
    with ThreadPoolExecutor(80) as pool:
        answers = list(pool.map(lambda _: call(app.url, "scan", {"path": path, "meta": FILE}), range(80)))
    busy = [text for status, text in answers if status == 503]
    done = [text for status, text in answers if status == 200]
    assert len(busy) + len(done) == 80
    assert len(done) >= 32
    assert busy
    for text in busy:
        assert json.loads(text)["detail"].startswith("Busy: 32 others are ahead of you")
    labels = [p.label for p in classifier.scan(SEVERAL)]
    for text in done:
        assert text.startswith("event: complete")
        cells = json.loads(text.split("data: ")[1])[0]["cells"]
        assert [cell["label"] for cell in cells] == labels


def test_the_log_names_no_file(app, client, tmp_path):
    name = base64.b32encode(b"a patient's name").decode().strip("=")
    (tmp_path / f"{name}.png").write_bytes((EXAMPLES / "monocyte.png").read_bytes())
    (tmp_path / f"{name}.jpg").write_text("no picture")
    client.predict(handle_file(tmp_path / f"{name}.png"), api_name="/scan")
    with pytest.raises(AppError):
        client.predict(handle_file(tmp_path / f"{name}.jpg"), api_name="/scan")
    assert name not in app.log.read_text()
