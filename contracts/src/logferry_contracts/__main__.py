"""``python -m logferry_contracts``: see `logferry_contracts.command`."""

import sys

from logferry_contracts.command import main

if __name__ == "__main__":
    sys.exit(main())
