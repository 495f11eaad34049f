"""The real engine, registry and cluster for tests: this folder installs, starts and stops them.

Every server listens on loopback, keeps its data under one temporary folder, and is stopped by its process id.
"""
