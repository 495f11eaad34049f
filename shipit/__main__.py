"""`python -m shipit`."""

import sys

if not sys.flags.safe_path:
    # The working directory stands first then: a project's json.py would be taken for Python's own.
    del sys.path[0]

from shipit.cli.main import main

main()
