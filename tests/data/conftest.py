"""A small web server on this machine that misbehaves on demand."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from entreg_utils.data import download


class Site:
    """``files[path]`` is served; ``script[path]`` holds what goes wrong in the next requests.

    Steps of a script: ``{"status": code, "headers": {...}}``, ``{"cut": n}`` (n bytes, then the
    connection closes), ``{"no_range": True}``, ``{"no_length": True}``, ``{"body": bytes}``,
    ``{"then": function}`` (called before the body is sent).
    """

    def __init__(self, address):
        self.address, self.files, self.script, self.log = address, {}, {}, []

    def url(self, path):
        return self.address + path

    def ranges(self):
        """The Range header of each request so far."""
        return [headers.get("Range") for _, headers in self.log]


def _handler(holder):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            site = holder[0]
            site.log.append((self.path, dict(self.headers)))
            steps = site.script.get(self.path, [])
            step = steps.pop(0) if steps else {}
            if "status" in step:
                return self.answer(step["status"], step.get("headers", {}), b"an error page")
            if self.path not in site.files:
                return self.answer(404, {}, b"nothing here")
            body = step.get("body", site.files[self.path])
            status, rest, headers = 200, body, {}
            wanted = self.headers.get("Range")
            if wanted and not step.get("no_range"):
                first = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if first >= len(body):
                    return self.answer(416, {"Content-Range": f"bytes */{len(body)}"}, b"")
                status, rest = 206, body[first:]
                headers["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
            if not step.get("no_length"):
                headers["Content-Length"] = str(len(rest))
            if "then" in step:
                step["then"]()
            return self.answer(status, headers, rest[: step.get("cut", len(rest))])

        def answer(self, status, headers, body):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            with contextlib.suppress(ConnectionError):  # the other side gave up
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


@pytest.fixture
def site(monkeypatch):
    """A running :class:`Site`; pauses between tries are left out."""
    holder = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(holder))
    holder.append(Site(f"http://127.0.0.1:{server.server_address[1]}"))
    monkeypatch.setattr(download.Retry, "get_backoff_time", lambda self: 0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield holder[0]
    server.shutdown()
    thread.join()
    server.server_close()
