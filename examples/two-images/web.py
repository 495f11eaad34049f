"""The half that people see."""

import os
import signal
import sys
from http.server import HTTPServer, SimpleHTTPRequestHandler

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
HTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8000"))), SimpleHTTPRequestHandler).serve_forever()
