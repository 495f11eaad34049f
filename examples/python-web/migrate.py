"""What runs once per release, before anything of it serves."""

import os
import sys

if not os.environ.get("SECRET_KEY"):
    sys.exit("SECRET_KEY is not set")
print("the schema is up to date")
