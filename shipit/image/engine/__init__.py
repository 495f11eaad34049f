"""Builds by a Docker engine: its three ways to build, its progress and failures, and the export of the result.

May import docker, the rest of image and the nouns. Environment variables are parameters.
"""
