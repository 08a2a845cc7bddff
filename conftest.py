"""Test backends for every folder: see devstack/src/devstack/pytest_*.py."""

pytest_plugins = ["devstack.pytest_backends", "devstack.pytest_localstack"]
