"""AWS on this machine, as far as two commands that only read ask it: `python -m … ROOT KEY`.

S3 with the files of a folder, each a version on legal hold, and CloudTrail with one public key. It
prints its port. What is in a file ``<name>.metadata`` is the object's metadata.
"""

import base64
import json
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

VERSION_ID = "v1"
METADATA = ".metadata"
_AT = "2026-11-23T06:31:12.000Z"
_PER_PAGE = 1000
_PIECE_BYTES = 256 * 1024


class Handler(BaseHTTPRequestHandler):
    """Answers a request."""

    protocol_version = "HTTP/1.1"
    root: Path
    public_key: bytes
    keys: list[str]

    def do_GET(self) -> None:
        """Answer as S3."""
        url = urlsplit(self.path)
        _, _, key = unquote(url.path).lstrip("/").partition("/")
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        if key and "legal-hold" in query:
            self._answer(b"<LegalHold><Status>ON</Status></LegalHold>")
        elif key:
            self._object(self.root / key)
        elif "location" in query:
            self._answer(b"<LocationConstraint>eu-central-1</LocationConstraint>")
        else:
            self._answer("".join(self._listed(query)).encode())

    def do_POST(self) -> None:
        """Answer ListPublicKeys."""
        self.rfile.read(int(self.headers["Content-Length"]))
        value = base64.b64encode(self.public_key).decode()
        keys = [{"Value": value, "Fingerprint": "0" * 32}]
        self._answer(json.dumps({"PublicKeyList": keys}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _object(self, path: Path) -> None:
        metadata = path.with_name(path.name + METADATA)
        self.send_response(200)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.send_header("ETag", '"e"')
        self.send_header("x-amz-version-id", VERSION_ID)
        self.send_header("x-amz-object-lock-legal-hold", "ON")
        for name, value in json.loads(metadata.read_text() if metadata.exists() else "{}").items():
            self.send_header(f"x-amz-meta-{name}", value)
        self.end_headers()
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                self.wfile.write(piece)

    def _listed(self, query: Mapping[str, str]) -> Iterator[str]:
        """Yield the XML of ListObjectVersions, or of ListObjects."""
        prefix, are_versions = query.get("prefix", ""), "versions" in query
        after = query.get("key-marker" if are_versions else "marker", "")
        found = [key for key in self.keys if key.startswith(prefix) and key > after]
        name = "ListVersionsResult" if are_versions else "ListBucketResult"
        yield f"<{name}>"
        if delimiter := query.get("delimiter"):
            ends = (key.find(delimiter, len(prefix)) + 1 for key in found)
            for each in sorted({key[:end] for key, end in zip(found, ends, strict=True) if end}):
                yield f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>"
            found = []
        for key in found[:_PER_PAGE]:
            size = (self.root / key).stat().st_size
            said = f"<Key>{escape(key)}</Key><Size>{size}</Size><LastModified>{_AT}</LastModified>"
            latest = f"<VersionId>{VERSION_ID}</VersionId><IsLatest>true</IsLatest>"
            yield f"<Version>{said}{latest}</Version>" if are_versions else _contents(said)
        if len(found) > _PER_PAGE:
            last = escape(found[_PER_PAGE - 1])
            yield f"<NextKeyMarker>{last}</NextKeyMarker><NextMarker>{last}</NextMarker>"
            yield f"<NextVersionIdMarker>{VERSION_ID}</NextVersionIdMarker>"
        yield f"<IsTruncated>{str(len(found) > _PER_PAGE).lower()}</IsTruncated></{name}>"


def _contents(said: str) -> str:
    return f"<Contents>{said}</Contents>"


def main(root: Path, key: Path) -> None:
    """Serve a folder until the process is ended."""
    files = (each for each in root.rglob("*") if each.is_file() and each.suffix != METADATA)
    Handler.root = root
    Handler.keys = sorted((each.relative_to(root).as_posix() for each in files), key=str.encode)
    Handler.public_key = load_pem_public_key(key.read_bytes()).public_bytes(
        Encoding.DER, PublicFormat.PKCS1
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
