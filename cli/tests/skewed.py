"""LocalStack as an AWS whose clock is elsewhere: its own server writes the Date of every answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

_OWN = {"date", "content-length", "transfer-encoding", "connection"}
"""Headers that are written anew."""


@dataclass
class Clock:
    """How far AWS's is ahead of this machine's."""

    ahead: timedelta = timedelta()


@contextmanager
def elsewhere(endpoint: str) -> Iterator[tuple[str, Clock]]:
    """Hand requests on to an endpoint, and its answers back with another time.

    Yields:
        The endpoint to be asked instead, and its clock.
    """
    clock = Clock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            there = HTTPConnection(urlsplit(endpoint).netloc, timeout=60)
            there.request(self.command, self.path, body or None, dict(self.headers.items()))
            said = there.getresponse()
            text = said.read()
            self.send_response_only(said.status)
            for name, value in said.getheaders():
                if name.lower() not in _OWN:
                    self.send_header(name, value)
            now = datetime.now(UTC) + clock.ahead
            self.send_header("Date", format_datetime(now, usegmt=True))
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)
            there.close()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name there)
            """Say nothing of each request."""

    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", clock
        finally:
            server.shutdown()
            serving.join()
