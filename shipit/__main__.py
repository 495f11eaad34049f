"""`python -m shipit`."""

from shipit.cli.main import main

main()
