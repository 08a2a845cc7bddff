# ruff: noqa: INP001  LocalStack runs this file by its path
"""Installs the add-ons into LocalStack's container: see docker-compose.localstack.yml.

LocalStack runs the files of start.d inside its own process, before it loads any service.
https://docs.localstack.cloud/references/init-hooks/
"""

import os
import sys

sys.path.insert(0, os.environ["LOGFERRY_ADDONS"])

from localstack_addons.hooks import install

install()
