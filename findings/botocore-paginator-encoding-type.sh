#!/usr/bin/env bash
# botocore: a paginator with `EncodingType="url"` leaves keys out, without a word
#
# One would guess: a paginator returns every entry, whatever form of keys was asked for. Who lists multipart uploads has to ask: botocore
# has keys encoded, and decodes them, in ListObjects, ListObjectsV2 and ListObjectVersions, and not in ListMultipartUploads, so that
# one key with a character that XML 1.0 cannot have ends that list with "500: Internal Server Error", after all attempts.
#
# botocore 1.44.8: S3 encodes `NextKeyMarker` as it does the keys, as documented, and the paginator gives it back as it came, as
# the next page's `KeyMarker`, which is a plain key. "jobs/a b" is then "jobs/a+b", which sorts behind "jobs/a c": all between
# them is skipped. Without `EncodingType` nothing is.
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html#API_ListMultipartUploads_ResponseElements
#
# Seen, of "jobs/a b", "jobs/a c" and "jobs/b", one a page:
#   list_multipart_uploads: jobs/a b, jobs/a c, jobs/b
#   list_multipart_uploads with EncodingType=url: jobs/a+b, jobs/b
#   list_object_versions: jobs/a b, jobs/a c, jobs/b
#   list_object_versions with EncodingType=url: jobs/a+b, jobs/b
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet botocore==1.44.8

cat > "$folder/seen.py" <<'PYTHON'
"""Lists three keys, one a page, of a server that keeps to S3's documentation."""
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote_plus, urlsplit
import botocore.session

KEYS = ["jobs/a b", "jobs/a c", "jobs/b"]
OPERATIONS = {
    "uploads": ("ListMultipartUploadsResult", "Upload", "<UploadId>u</UploadId>", "NextUploadIdMarker"),
    "versions": ("ListVersionsResult", "Version", "<VersionId>v</VersionId>", "NextVersionIdMarker"),
}

class S3(BaseHTTPRequestHandler):
    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        root, entry, id_, marker = OPERATIONS["uploads" if "uploads" in asked else "versions"]
        encoding = asked.get("encoding-type", [None])[0]
        shown = (lambda key: quote_plus(key, safe="/")) if encoding else str
        left = [key for key in KEYS if key > asked.get("key-marker", [""])[0]]
        more = len(left) > 1
        body = f"<{root}><Name>bucket</Name>"
        body += f"<EncodingType>{encoding}</EncodingType>" if encoding else ""
        body += f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        body += f"<NextKeyMarker>{shown(left[0])}</NextKeyMarker><{marker}>x</{marker}>" if more else ""
        body += f"<{entry}><Key>{shown(left[0])}</Key>{id_}</{entry}></{root}>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), S3)
threading.Thread(target=server.serve_forever, daemon=True).start()
s3 = botocore.session.get_session().create_client(
    "s3", region_name="eu-west-1", aws_access_key_id="none", aws_secret_access_key="none",
    endpoint_url=f"http://127.0.0.1:{server.server_port}",
)
for operation, entries in (("list_multipart_uploads", "Uploads"), ("list_object_versions", "Versions")):
    for options in ({}, {"EncodingType": "url"}):
        pages = s3.get_paginator(operation).paginate(Bucket="bucket", **options)
        keys = [each["Key"] for page in pages for each in page[entries]]
        print(operation + " with EncodingType=url" * bool(options) + ": " + ", ".join(keys))
server.shutdown()
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected="list_multipart_uploads: jobs/a b, jobs/a c, jobs/b
list_multipart_uploads with EncodingType=url: jobs/a+b, jobs/b
list_object_versions: jobs/a b, jobs/a c, jobs/b
list_object_versions with EncodingType=url: jobs/a+b, jobs/b"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
