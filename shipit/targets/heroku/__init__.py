"""Heroku: container releases through its registry and Platform API."""
