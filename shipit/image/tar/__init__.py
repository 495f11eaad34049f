"""Tar archives: written reproducibly, and read within bounds when they are not trusted.

May import image/tree and the nouns.
"""
