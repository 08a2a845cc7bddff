#!/usr/bin/env bash
# s3fs, PyArrow, cloudpathlib: a `with` block that ends with an error puts the half that was written, in place of the whole
#
# One would guess: who writes an object in a `with` block, and whose source breaks off, has written none. S3 has an object whole or not at
# all, and an upload that is not completed leaves what was there: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
#
# s3fs 2026.9.0, pyarrow 26.0.1, cloudpathlib 0.26.0: leaving the block closes the file, and closing it puts the object, error or not.
# Compressed by the library, it is a sound gzip file that ends early; nothing about it says so, and whoever is told of new objects is told of
# it. The day that was there is gone, or a former version. Within `with fs.transaction:` s3fs puts nothing. PyArrow has no way to
# give an upload up: https://github.com/apache/arrow/issues/40502. smart_open 9.0.2 and obstore 0.12.1 leave what was there.
#
# Seen, of an object of three lines in moto 5.2.5's S3 that is written anew, with an error after the first line:
#   s3fs: 1 line
#   s3fs, gzip: 1 line, a sound gzip file
#   s3fs, in a transaction: 3 lines
#   pyarrow: 1 line
#   pyarrow, gzip: 1 line, a sound gzip file
#   cloudpathlib: 1 line
#   smart_open: 3 lines
#   smart_open, gzip: 3 lines, a sound gzip file
#   obstore: 3 lines
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet s3fs==2026.9.0 fsspec==2026.9.0 aiobotocore==3.10.0 pyarrow==26.0.1 cloudpathlib==0.26.0 \
  smart-open==9.0.2 obstore==0.12.1 'moto[s3,server]==5.2.5' boto3==1.43.117

cat > "$folder/seen.py" <<'PYTHON'
"""Writes an object of a server of moto's on this machine anew, by some libraries, and breaks off."""
import contextlib, gzip
import boto3, fsspec, obstore, smart_open
from cloudpathlib import S3Client
from moto.server import ThreadedMotoServer
from obstore.store import S3Store
from pyarrow.fs import S3FileSystem

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
address = "http://{}:{}".format(*server.get_host_and_port())
client = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
s3 = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **client)
s3.create_bucket(Bucket="archive")

files = fsspec.filesystem("s3", endpoint_url=address, key="none", secret="none")
arrow = S3FileSystem(
    access_key="none", secret_key="none", region="us-east-1", endpoint_override=address.partition("//")[2],
    scheme="http",
)
paths = S3Client(endpoint_url=address, **client)
store = S3Store(
    "archive", endpoint=address, region="us-east-1", access_key_id="none", secret_access_key="none",
    client_options={"allow_http": True},
)

@contextlib.contextmanager
def in_a_transaction(name):
    with files.transaction, files.open(name, "wb") as file:
        yield file

def by_smart_open(name):
    return smart_open.open(f"s3://{name}", "wb", transport_params={"client": s3})

WAYS = {
    "s3fs": lambda name: files.open(name, "wb"),
    "s3fs, gzip": lambda name: files.open(name, "wb", compression="gzip"),
    "s3fs, in a transaction": in_a_transaction,
    "pyarrow": arrow.open_output_stream,
    "pyarrow, gzip": arrow.open_output_stream,
    "cloudpathlib": lambda name: paths.CloudPath(f"s3://{name}").open("wb"),
    "smart_open": by_smart_open,
    "smart_open, gzip": by_smart_open,
    "obstore": lambda name: obstore.open_writer(store, name.partition("/")[2]),
}

class BrokenOff(Exception):
    pass

for way, opened in WAYS.items():
    is_gzip = "gzip" in way
    key = "day.log.gz" if is_gzip else "day.log"
    whole = b"first\nsecond\nthird\n"
    s3.put_object(Bucket="archive", Key=key, Body=gzip.compress(whole) if is_gzip else whole)
    with contextlib.suppress(BrokenOff), opened(f"archive/{key}") as file:
        file.write(b"first\n")
        raise BrokenOff
    body = s3.get_object(Bucket="archive", Key=key)["Body"].read()
    lines = len((gzip.decompress(body) if is_gzip else body).splitlines())
    print(f"{way}: {lines} line{'s' * (lines != 1)}{', a sound gzip file' * is_gzip}")
server.stop()
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py" 2> "$folder/errors") || { cat "$folder/errors" >&2; exit 1; }
echo "$found"
expected="s3fs: 1 line
s3fs, gzip: 1 line, a sound gzip file
s3fs, in a transaction: 3 lines
pyarrow: 1 line
pyarrow, gzip: 1 line, a sound gzip file
cloudpathlib: 1 line
smart_open: 3 lines
smart_open, gzip: 3 lines, a sound gzip file
obstore: 3 lines"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
