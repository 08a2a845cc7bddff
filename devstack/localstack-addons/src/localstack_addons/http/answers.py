"""An answer in one piece goes with its end to the thread that writes to all connections.

LocalStack works on each request in a thread of its own. Twisted would have it wait for that other
thread with the answer, and hand over the end by itself: two changes of threads more, for a call
that takes a thousandth of a second. Twisted's log of all requests is read by nobody.
"""

from typing import Any


def install() -> None:
    """Put it over Twisted's."""
    from twisted.web import http, wsgi  # noqa: PLC0415

    response = wsgi._WSGIResponse  # noqa: SLF001
    write, send_headers = response.write, response._sendResponseHeaders  # noqa: SLF001

    def keep_the_first(self: Any, data: bytes) -> None:
        if not self.started and not self.first:
            self.first = data
            return
        first, self.first = self.first, b""
        if first:
            write(self, first)
        write(self, data)

    def send_with_the_first(self: Any) -> None:
        send_headers(self)
        if self.first:
            self.request.write(self.first)

    response.first = b""
    response.write = keep_the_first
    response._sendResponseHeaders = send_with_the_first  # noqa: SLF001
    http.HTTPFactory.log = lambda _factory, _request: None
