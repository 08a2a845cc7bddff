from localstack_addons.s3.object_listing import encoded


def test_keys_are_encoded_and_nothing_else():
    answer = {
        "Name": "a bucket",
        "Prefix": "a b/",
        "Delimiter": "/",
        "KeyMarker": "",
        "NextKeyMarker": "a b/[$LATEST]",
        "NextVersionIdMarker": "x+y=",
        "NextContinuationToken": "x+y=",
        "Versions": [{"Key": "a b/[$LATEST]", "ETag": '"a"', "VersionId": "x+y="}],
        "CommonPrefixes": [{"Prefix": "ü/"}],
    }
    assert encoded(answer) == {
        "Name": "a bucket",
        "Prefix": "a%20b/",
        "Delimiter": "/",
        "KeyMarker": "",
        "NextKeyMarker": "a%20b/%5B%24LATEST%5D",
        "NextVersionIdMarker": "x+y=",
        "NextContinuationToken": "x+y=",
        "Versions": [{"Key": "a%20b/%5B%24LATEST%5D", "ETag": '"a"', "VersionId": "x+y="}],
        "CommonPrefixes": [{"Prefix": "%C3%BC/"}],
        "EncodingType": "url",
    }
