"""HTTP: one place for proxies, trust, timeouts, retries and what may be shown of a URL.

Transport sends each request over http.client, and over requests where it goes through a proxy. Pace bounds its time and bytes.
May import errors, events, clock, config.environment.
"""
