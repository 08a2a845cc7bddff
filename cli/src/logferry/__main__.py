"""``python -m logferry`` is the command ``logferry``."""

from logferry.command import main

main()
