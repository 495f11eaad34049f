"""The real engine, registry and cluster that tests talk to: installed, started and stopped by the project's own files.

Every server listens on loopback, keeps its data under one temporary folder, and is stopped by its process id.
"""
