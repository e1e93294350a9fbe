"""The bench's app under several sessions at once, and what a foreign site or a foreign path gets from it."""

import http.client
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from benchmarks.load import visits


def test_sessions_at_once_get_the_answers_that_one_gets(bench):
    outcome = visits("streamlit", bench.url, bench.process.pid, clients=4, seconds=2)
    assert outcome.failures == {}
    assert outcome.different == 0
    assert len(outcome.seconds) >= 4


def ask(url, method, path, headers=None, body=None) -> tuple[int, str, dict]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request(method, path, body, headers or {})
    reply = connection.getresponse()
    return reply.status, reply.read().decode(errors="replace"), dict(reply.headers)


def test_an_upload_without_the_pages_token_is_refused(bench):
    form = '--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\nx\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    for more in ({}, {"X-Xsrftoken": "made up"}, {"Cookie": "_streamlit_xsrf=2|a|b|1", "X-Xsrftoken": "2|c|d|1"}):
        status, words, _ = ask(bench.url, "PUT", "/_stcore/upload_file/session/file", headers | more, form)
        assert status == 403, (more, words)
        assert "Traceback" not in words


def test_a_page_of_another_site_opens_no_session(bench):
    address = f"ws://{urlsplit(bench.url).netloc}/_stcore/stream"
    with (
        pytest.raises(WebSocketException),
        connect(address, subprotocols=["streamlit"], origin="http://elsewhere.example"),
    ):
        pass
    _, _, headers = ask(bench.url, "GET", "/_stcore/health", {"Origin": "http://elsewhere.example"})
    assert "access-control-allow-origin" not in {name.lower() for name in headers}


@pytest.mark.parametrize("path", ["/etc/passwd", "/../app.py", "/media/../../etc/passwd", "/app/static/..%2fapp.py"])
def test_no_file_of_the_server_is_served(bench, path):
    _, words, _ = ask(bench.url, "GET", path)
    assert "root:" not in words
    assert "choose_model" not in words
    assert "site-packages" not in words
