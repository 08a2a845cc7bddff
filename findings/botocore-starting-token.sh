#!/usr/bin/env bash
# botocore: who goes on from a `NextToken` is not told of the next page's folders and delete markers
#
# One would guess: a list that is fetched in parts, each from where the former ended, has what the whole list has. That is what
# `MaxItems` and `StartingToken` are for, and `--max-items` and `--starting-token` of the AWS CLI, which are the same.
#
# botocore 1.44.8: `MaxItems` counts objects, or versions, and nothing else. Of the first page that is asked for by a token, everything else
# is taken away, as if the part before had given it: `CommonPrefixes`, which are folders, and `DeleteMarkers`. Where the part before
# ended with its page, as 1000 objects do, it had not. Nothing says so. Reported for folders: https://github.com/boto/botocore/issues/3119
# A list of versions in parts thus shows as the latest what has been deleted. All pages of one `paginate()` have everything.
#
# Seen, of moto 5.2.5, two entries on a page:
#   list_objects_v2, at once: Contents b.gz, c.gz, e.gz; CommonPrefixes a/, d/
#   list_objects_v2, in parts of 1: Contents b.gz, c.gz, e.gz; CommonPrefixes a/
#   list_object_versions, at once: Versions b.gz, c.gz, d.gz; DeleteMarkers d.gz
#   list_object_versions, in parts of 2: Versions b.gz, c.gz, d.gz; DeleteMarkers
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'moto[s3]==5.2.5' boto3==1.44.8 botocore==1.44.8

cat > "$folder/seen.py" <<'PYTHON'
"""Lists what is in two buckets of moto, at once and in parts."""
import boto3
from moto import mock_aws

LISTS = (
    ("list_objects_v2", 1, {"Bucket": "folders", "Delimiter": "/"}, ("Contents", "CommonPrefixes")),
    ("list_object_versions", 2, {"Bucket": "versions"}, ("Versions", "DeleteMarkers")),
)

def parts(paginator, asked, **config):
    token = None
    while True:
        config = {**config, "PageSize": 2, "StartingToken": token}
        part = paginator.paginate(**asked, PaginationConfig=config).build_full_result()
        yield part
        token = part.get("NextToken")
        if token is None:
            return

with mock_aws():
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
    for bucket in ("folders", "versions"):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    for key in ("a/0.gz", "b.gz", "c.gz", "d/0.gz", "e.gz"):
        s3.put_object(Bucket="folders", Key=key, Body=b"lines")
    for key in ("b.gz", "c.gz", "d.gz"):
        s3.put_object(Bucket="versions", Key=key, Body=b"lines")
    s3.delete_object(Bucket="versions", Key="d.gz")
    for operation, size, asked, kinds in LISTS:
        for how, config in (("at once", {}), (f"in parts of {size}", {"MaxItems": size})):
            found = list(parts(s3.get_paginator(operation), asked, **config))
            told = []
            for kind in kinds:
                entries = [each.get("Key") or each["Prefix"] for part in found for each in part.get(kind, [])]
                told.append(" ".join((kind, ", ".join(entries))).rstrip())
            print(f"{operation}, {how}: {'; '.join(told)}")
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py")
echo "$found"
expected='list_objects_v2, at once: Contents b.gz, c.gz, e.gz; CommonPrefixes a/, d/
list_objects_v2, in parts of 1: Contents b.gz, c.gz, e.gz; CommonPrefixes a/
list_object_versions, at once: Versions b.gz, c.gz, d.gz; DeleteMarkers d.gz
list_object_versions, in parts of 2: Versions b.gz, c.gz, d.gz; DeleteMarkers'
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
