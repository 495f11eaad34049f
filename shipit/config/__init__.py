"""deploy.yml to frozen values: positions, interpolation, environments, secrets.

May import errors, events, release. Nothing else in shipit reads the process environment.
"""
