"""HTTP over requests: one place for proxies, trust, timeouts, retries and what may be shown of a URL.

May import errors, events, clock, config.environment.
"""
