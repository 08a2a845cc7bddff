#!/usr/bin/env bash
# cloudpathlib: an object that was replaced within a second is read as it was before, from then on
#
# One would guess: `read_text()` of a path in S3 gives what the object is now, as S3 itself has done since 2020. The copy that the
# library keeps on disk is fetched again where the object is another one, and its ETag says so.
#
# cloudpathlib 0.26.0: the copy is fetched again where the object's time is later than the copy's, and S3 has times to the second:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html#API_HeadObject_ResponseElements. Who looks at a record between two changes
# within one second, as a state machine makes them, reads the first for as long as the client lives; `stat()` and `etag` are the second's,
# of the same path. `CLOUDPATHLIB_FORCE_OVERWRITE_FROM_CLOUD=1` has it fetched each time.
#
# Seen, of moto 5.2.5's S3, an object that is "requested", is read, and is "completed" then:
#   changed in the next second: completed; two seconds later completed; ETag of completed
#   changed in the same second: requested; two seconds later requested; ETag of completed
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet cloudpathlib==0.26.0 'moto[s3]==5.2.5' boto3==1.44.8 botocore==1.44.8

cat > "$folder/seen.py" <<'PYTHON'
"""Changes an object of moto's S3 that cloudpathlib has read, and reads it again."""
import hashlib, time
import boto3
from cloudpathlib import S3Client
from moto import mock_aws

def next_second():
    time.sleep(1.01 - time.time() % 1)

def state(path):
    etag = path.etag.strip('"')
    told = next(each for each in ("requested", "completed") if hashlib.md5(each.encode()).hexdigest() == etag)
    return path.read_text(), told

def reads(s3, path, pause):
    while True:
        next_second()
        path.client.clear_cache()
        began = int(time.time())
        s3.put_object(Bucket=path.bucket, Key=path.key, Body=b"requested")
        assert path.read_text() == "requested"
        pause()
        s3.put_object(Bucket=path.bucket, Key=path.key, Body=b"completed")
        if pause is next_second or int(time.time()) == began:  # else the machine was too slow: once more
            break
    at_once, _ = state(path)
    next_second(), next_second()
    later, told = state(path)
    return f"{at_once}; two seconds later {later}; ETag of {told}"

with mock_aws():
    session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")
    s3 = session.client("s3")
    s3.create_bucket(Bucket="ledger")
    path = S3Client(boto3_session=session).CloudPath("s3://ledger/record.json")
    print("changed in the next second:", reads(s3, path, next_second))
    print("changed in the same second:", reads(s3, path, lambda: None))
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected="changed in the next second: completed; two seconds later completed; ETag of completed
changed in the same second: requested; two seconds later requested; ETag of completed"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
