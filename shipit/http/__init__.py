"""HTTP: one place for proxies, trust, timeouts, retries and what may be shown of a URL.

Registries are asked by Transport, over http.client; APIs of JSON by Http, over requests, and so is what goes through a proxy.
May import errors, events, clock, config.environment.
"""
