"""The archive buckets, as far as the planner may see them."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from planner.aws.calls import calling, code_of
from planner.errors import PlanRefusedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Archive:
    """The archive buckets."""

    def __init__(self, s3: "S3Client") -> None:
        """Use ``s3`` for every call."""
        self._s3 = s3

    def check(self, bucket: str, region: str) -> None:
        """Make sure that exports of a Region can go to a bucket, as far as can be seen from here.

        A bucket that denies us the look may still take exports; the exporter will see.

        Raises:
            PlanRefusedError: There is no such bucket, or it is in another Region.
                https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasks.html
            AwsError: The call failed.
        """
        with calling("HeadBucket", bucket):
            try:
                actual_region = self._s3.head_bucket(Bucket=bucket).get("BucketRegion", region)
            except ClientError as error:
                if code_of(error) == "404":  # HEAD answers have no body to name the error
                    raise PlanRefusedError("bucket", bucket, "does not exist") from error
                if code_of(error) == "403":
                    return
                raise
        if actual_region != region:
            raise PlanRefusedError(
                "bucket", bucket, f"is in {actual_region}; exports from {region} cannot go there"
            )
