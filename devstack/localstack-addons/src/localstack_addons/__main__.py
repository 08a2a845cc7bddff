"""Start LocalStack in this process: `python -m localstack_addons [--end-with-stdin]`.

Two things of LocalStack 4.14 have to be put right before it starts, so that no start-up hook can.
"""

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from localstack import config
from localstack.runtime import main as runtime
from localstack.services.s3 import provider as s3_provider
from twisted.internet import endpoints


def listen_only_where_told() -> None:
    """Bind the hosts of GATEWAY_LISTEN: LocalStack's server takes only the port of an IPv4 one."""

    class Endpoint(endpoints.TCP4ServerEndpoint):  # type: ignore[misc]  # twisted is not typed here
        def __init__(self, reactor: object, port: int) -> None:
            hosts = [listen.host for listen in config.GATEWAY_LISTEN if listen.port == port]
            super().__init__(reactor, port, interface=hosts[0])

    endpoints.TCP4ServerEndpoint = Endpoint


def keep_objects_apart() -> None:
    """Give this LocalStack a folder of its own for S3: the name is the same for all of them."""
    s3_provider.DEFAULT_S3_TMP_DIR = str(Path(tempfile.gettempdir(), "s3"))


def end_with_stdin() -> None:
    """End when standard input does: it is a pipe from whoever started this, however they go."""

    def wait() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def run() -> None:
    """Run LocalStack until it is told to end, and then end at once."""
    try:
        runtime.main()
    except SystemExit as end:
        # Python would wait seconds for threads of services that have been shut down already.
        sys.stdout.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)


if __name__ == "__main__":
    if "--end-with-stdin" in sys.argv:
        end_with_stdin()
    listen_only_where_told()
    keep_objects_apart()
    run()
