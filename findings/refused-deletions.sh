#!/usr/bin/env bash
# cloudpathlib, s3fs: a folder that S3 refuses to delete counts as deleted
#
# One would guess: `rmtree()` and `rm(recursive=True)` raise an error where objects stay because a policy denies their deletion, or
# a lock forbids it, as `unlink()` and `rm_file()` of a single object do.
#
# cloudpathlib 0.26.0, s3fs 2026.9.0: many objects are deleted by DeleteObjects, whose answer is "200 OK" with an error for each object that
# was not: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html. Neither looks at the errors, and nothing is raised.
# s3fs returns a list of what was deleted, which is empty; its `rm` of a single object goes the same way. Who erases because a law says
# so, or because a retention is over, has it on record as done. Of s3fs it was reported in 2023 and is mended for a later release:
# https://github.com/fsspec/s3fs/issues/838. pyarrow 25.0.1, obstore 0.12.1 and awswrangler 3.17.1 raise an error.
#
# Seen, of a server that denies each deletion in the way of S3:
#   cloudpathlib unlink(): AccessDenied
#   cloudpathlib rmtree(): nothing raised
#   s3fs rm_file(): PermissionError
#   s3fs rm(): nothing raised
#   s3fs rm(recursive=True): nothing raised
#   pyarrow delete_dir(): OSError
#   obstore delete(): GenericError
#   awswrangler delete_objects(): ServiceApiError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet s3fs==2026.9.0 fsspec==2026.9.0 aiobotocore==3.10.0 cloudpathlib==0.26.0 pyarrow==25.0.1 \
  obstore==0.12.1 awswrangler==3.17.1 boto3==1.43.117

cat > "$folder/seen.py" <<'PYTHON'
"""Deletes objects of a server on this machine that denies it as S3 does, by some libraries."""
import os, re, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEYS = ["logs/1.gz", "logs/2.gz"]
DENIED = "<Code>AccessDenied</Code><Message>Access Denied</Message>"

class S3(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, status, body=""):
        self.send_response(status)
        for name, value in (("ETag", '"e"'), ("Last-Modified", "Mon, 30 Nov 2026 10:00:00 GMT")):
            self.send_header(name, value)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())
    def do_GET(self):
        entry = "<Contents><Key>{}</Key><Size>1</Size><LastModified>2026-11-30T10:00:00.000Z</LastModified></Contents>"
        entries = "".join(entry.format(key) for key in KEYS)
        self.answer(200, f"<ListBucketResult><Name>archive</Name><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>")
    def do_HEAD(self):
        self.answer(200 if self.path.partition("?")[0].endswith((*KEYS, "/archive", "/archive/")) else 404)
    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        errors = (f"<Error><Key>{key}</Key>{DENIED}</Error>" for key in re.findall("<Key>(.*?)</Key>", asked))
        self.answer(200, f"<DeleteResult>{''.join(errors)}</DeleteResult>")
    def do_DELETE(self):
        self.answer(403, f"<Error>{DENIED}</Error>")
    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), S3)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"
os.environ |= {
    "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": address, "AWS_EC2_METADATA_DISABLED": "true",
}
import awswrangler, fsspec, obstore
from cloudpathlib import S3Client
from obstore.store import S3Store
from pyarrow.fs import S3FileSystem

files = fsspec.filesystem("s3", endpoint_url=address)
paths = S3Client(endpoint_url=address)
arrow = S3FileSystem(region="us-east-1", endpoint_override=address.partition("//")[2], scheme="http")
store = S3Store("archive", endpoint=address, region="us-east-1", client_options={"allow_http": True})
WAYS = {
    "cloudpathlib unlink()": lambda: paths.CloudPath("s3://archive/logs/1.gz").unlink(),
    "cloudpathlib rmtree()": lambda: paths.CloudPath("s3://archive/logs/").rmtree(),
    "s3fs rm_file()": lambda: files.rm_file("archive/logs/1.gz"),
    "s3fs rm()": lambda: files.rm("archive/logs/1.gz"),
    "s3fs rm(recursive=True)": lambda: files.rm("archive/logs", recursive=True),
    "pyarrow delete_dir()": lambda: arrow.delete_dir("archive/logs"),
    "obstore delete()": lambda: obstore.delete(store, KEYS),
    "awswrangler delete_objects()": lambda: awswrangler.s3.delete_objects("s3://archive/logs/"),
}
for way, delete in WAYS.items():
    try:
        delete()
        told = "nothing raised"
    except Exception as error:
        told = type(error).__name__
    print(f"{way}: {told}")
server.shutdown()
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py" 2> "$folder/errors") || { cat "$folder/errors" >&2; exit 1; }
echo "$found"
expected="cloudpathlib unlink(): AccessDenied
cloudpathlib rmtree(): nothing raised
s3fs rm_file(): PermissionError
s3fs rm(): nothing raised
s3fs rm(recursive=True): nothing raised
pyarrow delete_dir(): OSError
obstore delete(): GenericError
awswrangler delete_objects(): ServiceApiError"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
