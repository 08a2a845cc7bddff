import json
from uuid import uuid4

import pytest

pytestmark = pytest.mark.localstack


def test_a_service_is_called_by_its_partitions_domain(aws):
    # LocalStack takes Regions of other partitions for us-east-1.
    cloudformation, name = aws("cloudformation"), f"test-{uuid4().hex}"
    value = {"Fn::Sub": "logs.${AWS::Region}.${AWS::URLSuffix}"}
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"Service": {"Value": value}, "Suffix": {"Value": {"Ref": "AWS::URLSuffix"}}},
    }
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 1})
    [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs == {"Service": "logs.eu-west-1.amazonaws.com", "Suffix": "amazonaws.com"}
