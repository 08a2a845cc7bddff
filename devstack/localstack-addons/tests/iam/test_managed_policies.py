from types import SimpleNamespace

from localstack_addons.iam.managed_policies import copied


def test_policies_are_read_once_in_a_partition_and_are_each_accounts_own():
    asked = []

    def read(backend):
        asked.append(backend.partition)
        return [SimpleNamespace(name="Read", account_id=backend.account_id, tags={}, versions=[1])]

    policies = copied(read)
    one, other, china = (
        policies(SimpleNamespace(account_id=account_id, partition=partition))[0]
        for account_id, partition in (("1", "aws"), ("2", "aws"), ("1", "aws-cn"))
    )
    one.versions.append(2)
    one.tags["of"] = "one"

    assert asked == ["aws", "aws-cn"]
    assert [(each.name, each.account_id) for each in (one, other)] == [("Read", "1"), ("Read", "2")]
    assert (other.versions, other.tags, china.versions) == ([1], {}, [1])
