"""The README's commands for a time stamp, against an authority that is made here."""

import os
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from contracts.tests.sealed_archive import Archive
from contracts.tests.witnessing import Witness, head_of

from devstack.document import blocks

README = (Path(__file__).parents[1] / "README.md").read_text()
STAMP, CHECK, CHECK_LATER = blocks(README, "sh")
AUTHORITY = r"""
openssl req -x509 -newkey rsa:2048 -noenc -subj /CN=authority -days 2 \
  -keyout ca.key -out authority.pem
openssl req -newkey rsa:2048 -noenc -subj /CN=stamps -keyout tsa.key -out tsa.csr
printf 'extendedKeyUsage=critical,timeStamping\n' > tsa.ext
openssl x509 -req -in tsa.csr -CA authority.pem -CAkey ca.key -days 2 -extfile tsa.ext -out tsa.pem
printf '01\n' > serial
cat > tsa.conf <<END
[tsa]
default_tsa = here
[here]
serial = $PWD/serial
signer_cert = $PWD/tsa.pem
signer_key = $PWD/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
END
"""
IN_TEN_DAYS = r"""
openssl() {
  case "$*" in
    *-verify*-attime*) command openssl "$@" ;;
    *-verify*) command openssl "$@" -attime "$(date -d '10 days' +%s)" ;;
    *) command openssl "$@" ;;
  esac
}
"""
"""As it is after the certificates of two days have expired."""
CHAIN = "111122223333/eu-central-1"


def run(commands: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={**os.environ, "CHAIN": CHAIN, "no_proxy": "*", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[str]:
    """A time-stamping authority: its URL."""
    made = run(AUTHORITY, tmp_path)
    assert made.returncode == 0, made.stderr

    class Stamping(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            (tmp_path / "asked.tsq").write_bytes(query)
            reply = "openssl ts -reply -config tsa.conf -queryfile asked.tsq -out reply.tsr"
            assert run(reply, tmp_path).returncode == 0
            self.send_response(200)
            self.end_headers()
            self.wfile.write((tmp_path / "reply.tsr").read_bytes())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Stamping) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_note_is_stamped_and_the_stamp_is_checked_offline(tmp_path: Path, authority: str) -> None:
    archive = Archive()
    archive.days(1)
    note = tmp_path / "heads" / CHAIN
    note.parent.mkdir(parents=True)
    note.write_bytes(Witness().note(head_of(archive)))

    stamped = run(STAMP, tmp_path, TSA=authority)
    assert stamped.returncode == 0, stamped.stderr
    assert run(CHECK, tmp_path).returncode == 0
    assert run(CHECK_LATER, tmp_path).returncode == 0

    note.write_bytes(note.read_bytes().replace(b"\n1\n", b"\n2\n"))
    assert run(CHECK, tmp_path).returncode != 0
    assert run(CHECK_LATER, tmp_path).returncode != 0


def test_a_stamp_is_checked_after_its_authoritys_certificate_has_expired(
    tmp_path: Path, authority: str
) -> None:
    archive = Archive()
    archive.days(1)
    note = tmp_path / "heads" / CHAIN
    note.parent.mkdir(parents=True)
    note.write_bytes(Witness().note(head_of(archive)))
    assert run(STAMP, tmp_path, TSA=authority).returncode == 0

    expired = run(IN_TEN_DAYS + CHECK, tmp_path)
    assert expired.returncode != 0
    assert "certificate has expired" in expired.stderr
    later = run(IN_TEN_DAYS + CHECK_LATER, tmp_path)
    assert later.returncode == 0, later.stderr
