#!/usr/bin/env bash
# obstore, Polars, cloudpathlib: of two keys that differ by a slash, one is read, written and deleted in place of the other
#
# One would guess: `/aws/app.csv` and `aws/app.csv` are two objects, as they are to S3. Names of log groups begin with a slash or do not;
# a key that is made of one, or of a prefix that ends with a slash and one, has such a slash too many.
#
# obstore 0.12.1 and polars 2.1.0, which have the same store below them, take a slash away from the front of a key: `get` and `scan_csv`
# of `/aws/app.csv` answer with the other object, `sink_csv` writes over it, and `delete` deletes it. A list has both under one name, so
# that a copy by that list has the one twice and the other never. cloudpathlib 0.26.0 keeps one copy on disk for both: what was read
# first is read for the other as well. None raises an error, as long as the other object is there.
#
# Seen, of moto 5.2.5's S3, each object holds its own key:
#   obstore reads /aws/app.csv: aws/app.csv
#   obstore lists: aws/app.csv, aws/app.csv
#   polars reads s3://archive//aws/app.csv: aws/app.csv
#   cloudpathlib reads s3://archive//aws/app.csv: /aws/app.csv
#   cloudpathlib reads s3://archive/aws/app.csv: /aws/app.csv
#   polars writes s3://archive//aws/app.csv: there are /aws/app.csv (as it was), aws/app.csv (written)
#   obstore deletes /aws/app.csv: there are /aws/app.csv (as it was)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet obstore==0.12.1 polars==2.1.0 cloudpathlib==0.26.0 'moto[s3,server]==5.2.5' boto3==1.44.8

cat > "$folder/seen.py" <<'PYTHON'
"""Reads, writes and deletes one of two objects of a server of moto's on this machine, and tells which it was."""
import boto3, obstore, polars
from cloudpathlib import S3Client
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

KEYS = ("/aws/app.csv", "aws/app.csv")

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
address = "http://{}:{}".format(*server.get_host_and_port())
client = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
s3 = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **client)
s3.create_bucket(Bucket="archive")
for key in KEYS:
    s3.put_object(Bucket="archive", Key=key, Body=f"key\n{key}\n".encode())

def there():
    told = []
    for each in s3.list_objects_v2(Bucket="archive")["Contents"]:
        body = s3.get_object(Bucket="archive", Key=each["Key"])["Body"].read().decode()
        told.append(f"{each['Key']} ({'as it was' if each['Key'] in body.split() else 'written'})")
    return ", ".join(told)

store = S3Store(
    "archive", endpoint=address, region="us-east-1", access_key_id="none", secret_access_key="none",
    client_options={"allow_http": True},
)
print("obstore reads /aws/app.csv:", bytes(obstore.get(store, KEYS[0]).bytes()).decode().split()[1])
print("obstore lists:", ", ".join(each["path"] for some in obstore.list(store) for each in some))

options = {**client, "aws_endpoint_url": address, "aws_region": "us-east-1", "aws_allow_http": "true"}
(key,) = polars.scan_csv("s3://archive//aws/app.csv", storage_options=options).collect()["key"]
print("polars reads s3://archive//aws/app.csv:", key)

paths = S3Client(endpoint_url=address, **client)
for key in KEYS:
    print(f"cloudpathlib reads s3://archive/{key}:", paths.CloudPath(f"s3://archive/{key}").read_text().split()[1])

polars.LazyFrame({"key": ["new"]}).sink_csv("s3://archive//aws/app.csv", storage_options=options)
print("polars writes s3://archive//aws/app.csv: there are", there())
obstore.delete(store, "/aws/app.csv")
print("obstore deletes /aws/app.csv: there are", there())
server.stop()
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py" 2> "$folder/errors") || { cat "$folder/errors" >&2; exit 1; }
echo "$found"
expected="obstore reads /aws/app.csv: aws/app.csv
obstore lists: aws/app.csv, aws/app.csv
polars reads s3://archive//aws/app.csv: aws/app.csv
cloudpathlib reads s3://archive//aws/app.csv: /aws/app.csv
cloudpathlib reads s3://archive/aws/app.csv: /aws/app.csv
polars writes s3://archive//aws/app.csv: there are /aws/app.csv (as it was), aws/app.csv (written)
obstore deletes /aws/app.csv: there are /aws/app.csv (as it was)"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
