"""Create a stack of a template, or bring it up to date: a stand-in for your own way of deploying.

    python deploy.py STACK TEMPLATE [--code FOLDER] [PARAMETER=VALUE ...]

With ``--code``, the folder is zipped and uploaded, and the parameters CodeBucket and CodeKey say
where it is. Credentials and Region are boto3's.
"""

import argparse
import hashlib
import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError


def main() -> None:
    """Deploy, and print the stack's outputs."""
    parser = argparse.ArgumentParser(description="Create a stack, or bring it up to date.")
    parser.add_argument("stack", metavar="STACK")
    parser.add_argument("template", type=Path, metavar="TEMPLATE")
    parser.add_argument("--code", type=Path, metavar="FOLDER", help="zipped, and uploaded")
    parser.add_argument("parameters", nargs="*", metavar="PARAMETER=VALUE")
    options = parser.parse_intermixed_args()
    parameters = dict(each.split("=", 1) for each in options.parameters)
    if options.code:
        parameters |= upload(options.stack, zipped(options.code))
    for output in deploy(options.stack, options.template.read_text(), parameters):
        sys.stdout.write(f"{output['OutputKey']}  {output['OutputValue']}\n")


def deploy(name: str, template: str, parameters: dict[str, str]) -> list[dict[str, str]]:
    """Create or update a stack, wait for it, and return its outputs."""
    cloudformation: Any = boto3.client("cloudformation")
    asked = {
        "StackName": name,
        "TemplateBody": template,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
    }
    try:
        cloudformation.create_stack(**asked, OnFailure="DELETE")
        done = "stack_create_complete"
    except cloudformation.exceptions.AlreadyExistsException:
        try:
            cloudformation.update_stack(**asked)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
        done = "stack_update_complete"
    waiting = {"Delay": 1, "MaxAttempts": 600}
    cloudformation.get_waiter(done).wait(StackName=name, WaiterConfig=waiting)
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    outputs: list[dict[str, str]] = stack["Outputs"]
    return outputs


def zipped(folder: Path) -> bytes:
    """Return the zip of a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


def upload(stack: str, code: bytes) -> dict[str, str]:
    """Put a stack's zip where Lambda can take it from, and return the parameters that say where."""
    s3: Any = boto3.client("s3")
    account = boto3.client("sts").get_caller_identity()["Account"]
    region = s3.meta.region_name
    bucket = f"{stack}-code-{account}-{region}"
    try:
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **(where if region != "us-east-1" else {}))
    except s3.exceptions.BucketAlreadyOwnedByYou:
        pass
    key = f"{hashlib.sha256(code).hexdigest()}.zip"
    s3.put_object(Bucket=bucket, Key=key, Body=code)
    return {"CodeBucket": bucket, "CodeKey": key}


if __name__ == "__main__":
    main()
