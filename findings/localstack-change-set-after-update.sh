#!/usr/bin/env bash
# LocalStack: a change set after UpdateStack is complete and changes nothing
#
# One would guess: a change set is compared with what the stack has now, whichever way it came by it. A stack that is
# UPDATE_COMPLETE after ExecuteChangeSet has what the change set says.
#
# localstack-core 4.14.0: what a `Ref` of a parameter came to is kept with the last change set that was executed, and UpdateStack
# keeps none of it. The next change set is compared with what is kept: one that leads back behind an UpdateStack says that it
# modifies the resource, ends as UPDATE_COMPLETE, and leaves the resource as it is. A value that the template itself has, in place
# of the `Ref`, is led back. A test of an upgrade and its way back sees a stack that says one thing and has another.
#
# Seen, of an SSM parameter whose value is a parameter of the stack:
#   change set, two: Modify, UPDATE_COMPLETE, the value is two
#   change set, one: Modify, UPDATE_COMPLETE, the value is one
#   UpdateStack, two: UPDATE_COMPLETE, the value is two
#   change set, one: Modify, UPDATE_COMPLETE, the value is two
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'localstack-core[runtime]==4.14.0' cbor2==5.8.0 cryptography==46.0.5 pyopenssl==25.3.0 moto-ext==5.1.25

cat > "$folder/seen.py" <<'PYTHON'
"""Changes a stack of a LocalStack on this machine, by change sets and by UpdateStack."""
import contextlib, json, os, socket, subprocess, sys, time, urllib.request
import boto3

START = ["-m", "localstack.runtime.main"]

@contextlib.contextmanager
def localstack(folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    environment = {
        "PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder, "FILESYSTEM_ROOT": f"{folder}/root", "OVERRIDE_IN_DOCKER": "0",
        "GATEWAY_SERVER": "hypercorn", "GATEWAY_LISTEN": address, "LOCALSTACK_HOST": address, "DNS_ADDRESS": "0",
        "SKIP_SSL_CERT_DOWNLOAD": "1", "DISABLE_EVENTS": "1", "AWS_EC2_METADATA_DISABLED": "true",
    }
    with open(f"{folder}/log", "w") as log:
        running = subprocess.Popen([sys.executable, *START], env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 300
        while True:
            try:
                urllib.request.urlopen(f"http://{address}/_localstack/health", timeout=10).close()
                break
            except OSError:
                if running.poll() is not None or time.monotonic() > until:
                    sys.exit("LocalStack has not started: " + open(f"{folder}/log").read())
                time.sleep(0.5)
        yield lambda service: boto3.client(
            service, region_name="us-east-1", endpoint_url=f"http://{address}",
            aws_access_key_id="test", aws_secret_access_key="test",
        )
    finally:
        running.kill()
        running.wait()

TEMPLATE = json.dumps({
    "Parameters": {"Wanted": {"Type": "String"}},
    "Resources": {
        "Setting": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": "setting", "Type": "String", "Value": {"Ref": "Wanted"}},
        }
    },
})

def by_change_set(stacks, number, value, kind="UPDATE"):
    of_it = {"StackName": "app", "ChangeSetName": f"change-{number}"}
    stacks.create_change_set(**of_it, ChangeSetType=kind, **wanted(value))
    stacks.get_waiter("change_set_create_complete").wait(**of_it, WaiterConfig={"Delay": 1})
    changes = stacks.describe_change_set(**of_it)["Changes"]
    stacks.execute_change_set(**of_it)
    stacks.get_waiter(f"stack_{kind.lower()}_complete").wait(StackName="app", WaiterConfig={"Delay": 1})
    return ", ".join(each["ResourceChange"]["Action"] for each in changes)

def by_update(stacks, value):
    stacks.update_stack(StackName="app", **wanted(value))
    stacks.get_waiter("stack_update_complete").wait(StackName="app", WaiterConfig={"Delay": 1})

def wanted(value):
    return {"TemplateBody": TEMPLATE, "Parameters": [{"ParameterKey": "Wanted", "ParameterValue": value}]}

with localstack(sys.argv[1]) as client:
    stacks, ssm = client("cloudformation"), client("ssm")

    def there():
        status = stacks.describe_stacks(StackName="app")["Stacks"][0]["StackStatus"]
        return f"{status}, the value is {ssm.get_parameter(Name='setting')['Parameter']['Value']}"

    by_change_set(stacks, 0, "one", "CREATE")
    for number, value in ((1, "two"), (2, "one")):
        print(f"change set, {value}: {by_change_set(stacks, number, value)}, {there()}")
    by_update(stacks, "two")
    print(f"UpdateStack, two: {there()}")
    print(f"change set, one: {by_change_set(stacks, 3, 'one')}, {there()}")
PYTHON

found=$("$folder/venv/bin/python" "$folder/seen.py" "$folder")
echo "$found"
expected="change set, two: Modify, UPDATE_COMPLETE, the value is two
change set, one: Modify, UPDATE_COMPLETE, the value is one
UpdateStack, two: UPDATE_COMPLETE, the value is two
change set, one: Modify, UPDATE_COMPLETE, the value is two"
[ "$found" = "$expected" ] || { echo "This has changed." >&2; exit 1; }
