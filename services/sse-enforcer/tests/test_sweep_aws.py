"""What a sweep reads and writes, on moto and on LocalStack."""

from datetime import UTC, datetime
from io import BytesIO

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from sse_enforcer.errors import OvertakenError
from sse_enforcer.sweep.aws import Listing, Reports
from sse_enforcer.sweep.report import Pass, Place, Report, Schedule

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
START = Place(phase="versions")


@pytest.fixture
def bucket(backend):
    """Return a versioned bucket's name; a name is one for all accounts."""
    name = f"archive-{backend.account_id}"
    s3 = backend.client("s3")
    s3.create_bucket(
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": backend.region},
        ObjectLockEnabledForBucket=True,
    )
    return name


@pytest.fixture
def s3(backend, bucket):
    return backend.client("s3")


@pytest.fixture
def objects(objects_in, s3, bucket):
    return objects_in(s3, bucket)


class RawBody(BytesIO):
    def stream(self, **_):
        yield self.getvalue()


def pages(listing):
    """Return all pages of a listing, as the version ids of each key."""
    found, place = [], START
    while place is not None:
        keys, place = listing.versions(place)
        found.append([(each.key, [entry.version_id for entry in each.versions]) for each in keys])
        assert len(found) < 20
    return found


def test_every_version_is_listed_with_those_of_its_key(objects, s3, bucket):
    ids = {key: [objects.put(key) for _ in range(count)] for key, count in
           (("a", 1), ("b", 3), ("c", 1), ("d", 2))}  # fmt: skip

    found = pages(Listing(s3, bucket, bucket, page_size=4))

    assert dict(key for page in found for key in page) == {
        key: list(reversed(each)) for key, each in ids.items()
    }
    assert len(found) > 1
    assert sum(len(page) for page in found) == 4  # no key comes twice


def test_a_key_that_fills_pages_alone_comes_in_pieces(objects, s3, bucket):
    before, after = objects.put("a"), objects.put("c")
    ids = [objects.put("b") for _ in range(5)]

    found = [key for page in pages(Listing(s3, bucket, bucket, page_size=2)) for key in page]

    assert found[0] == ("a", [before])
    assert found[-1] == ("c", [after])
    middle = [version_id for key, piece in found[1:-1] for version_id in piece if key == "b"]
    assert sorted(middle) == sorted(ids)


def test_every_version_below_a_prefix_is_listed_and_nothing_else(objects, s3, bucket):
    wanted = [(key, objects.put(key)) for key in ("a/1", "a/1", "a/2", "a/3/4")]
    objects.put("a")
    objects.put("b/1")

    listed = list(Listing(s3, bucket, bucket, page_size=3).below("a/"))

    assert sorted((each.key, each.version_id) for page in listed for each in page) == sorted(wanted)
    assert len(listed) == 2


def test_a_delete_marker_is_listed_with_what_it_hides(objects, s3, bucket):
    objects.put("k")
    s3.delete_object(Bucket=bucket, Key="k")

    ((found,), following) = Listing(s3, bucket, bucket).versions(START)

    assert following is None
    assert found.is_hidden
    assert [entry.is_delete_marker for entry in found.entries].count(True) == 1
    assert len(found.versions) == 1


def test_an_empty_bucket_has_no_keys(s3, bucket):
    assert Listing(s3, bucket, bucket).versions(START) == ([], None)


@pytest.mark.parametrize("stream", ["a b", "100%", "x+y", "Köln 注文", "[$LATEST]0c8f"])
def test_keys_are_listed_as_they_are(objects, s3, bucket, stream):
    version_id = objects.put(f"p/{stream}/000000.gz")

    ((found,), _) = Listing(s3, bucket, bucket).versions(START)

    assert found.key == f"p/{stream}/000000.gz"
    assert [entry.version_id for entry in found.entries] == [version_id]


@pytest.mark.parametrize("name", ["a {}", "[{}]", "[$LATEST]{}", "100%{}", "x+{}", "ü{}"])
def test_a_page_that_ends_at_a_key_to_be_encoded_is_followed_by_the_next(objects, s3, bucket, name):
    names = [name.format(n) for n in range(4)]
    for each in names:
        objects.put(each)
    listing = Listing(s3, bucket, bucket, page_size=2)

    assert [key for page in pages(listing) for key, _ in page] == names


def test_ledger_records_are_listed_in_pages(objects, s3, bucket):
    for key in ("ledger/1/a.json", "ledger/1/b.json", "ledger/2/c.json", "manifest/1/a.json"):
        objects.put(key)
    listing = Listing(s3, bucket, bucket, page_size=2)

    first, is_end = listing.ledger(None)
    assert ([each.key for each in first], is_end) == (
        ["ledger/1/a.json", "ledger/1/b.json"],
        False,
    )
    (last,), is_end = listing.ledger(first[-1].key)
    assert (last.key, is_end) == ("ledger/2/c.json", True)
    assert last.last_modified.tzinfo is not None


def test_uploads_under_way_are_listed(s3, bucket):
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="p/a b/0.gz")["UploadId"]

    (found,) = Listing(s3, bucket, bucket).uploads()

    assert (found.key, found.upload_id) == ("p/a b/0.gz", upload_id)
    assert found.initiated < datetime.now(UTC)  # on moto always in 2010


def test_uploads_are_listed_page_by_page(s3, bucket):
    keys = ["p/a b", "p/a c", "p/a+b", "p/a%20b"]
    made = {(key, s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]) for key in keys}

    found = Listing(s3, bucket, bucket, page_size=1).uploads()

    assert {(each.key, each.upload_id) for each in found} == made
    assert len(found) == len(keys)


def test_an_upload_whose_key_no_xml_can_have_is_listed():
    def answer(request, **_):
        is_encoded = "encoding-type=url" in request.url
        key = "p/%01+b" if is_encoded else "p/&#x1; b"
        encoding = "<EncodingType>url</EncodingType>" * is_encoded
        body = f"""<ListMultipartUploadsResult>{encoding}<IsTruncated>false</IsTruncated>
            <Upload><Key>{key}</Key><UploadId>u</UploadId>
            <Initiated>2026-11-22T06:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>"""
        return AWSResponse(request.url, 200, HTTPHeaders(), RawBody(body.encode()))

    s3 = boto3.client(
        "s3", region_name="eu-central-1", aws_access_key_id="-", aws_secret_access_key="-"
    )
    s3.meta.events.register("before-send.s3.ListMultipartUploads", answer)

    [found] = Listing(s3, "archive", "control").uploads()

    assert found.key == "p/\x01 b"


def some_report():
    about = Pass(
        started_at=NOW, dry_run=True, until=NOW, key_arn="arn:aws:kms:...", hold="on_completion"
    )
    return Report(about=about, updated_at=NOW)


def test_a_report_is_read_as_it_was_stored(s3, bucket):
    report = some_report()
    report.note_unheld("p")
    Reports(s3, bucket).store(report)

    assert Reports(s3, bucket).report(report.about.report_key) == report
    assert Reports(s3, bucket).report("sweeps/none.json") is None


def test_a_report_that_others_wrote_meanwhile_is_not_written_over(s3, bucket):
    ours, theirs = Reports(s3, bucket), Reports(s3, bucket)
    ours.store(some_report())
    with pytest.raises(OvertakenError):
        theirs.store(some_report())

    report = theirs.report(some_report().about.report_key)
    theirs.store(report)  # type: ignore[arg-type]
    with pytest.raises(OvertakenError):
        ours.store(some_report())
    theirs.store(report)  # type: ignore[arg-type]


def test_the_schedule_is_empty_at_first_and_changes_by_compare_and_swap(s3, bucket):
    ours, theirs = Reports(s3, bucket), Reports(s3, bucket)
    first = ours.schedule()
    assert first == Schedule()
    theirs.store_schedule(theirs.schedule().completed(some_report().about))

    with pytest.raises(OvertakenError):
        ours.store_schedule(first)
    assert ours.schedule().last_started_at == NOW
