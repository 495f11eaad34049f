"""A file tree as a value: path -> entry. Paths are relative and use `/`; the root is the empty path.

May import image/image and the nouns.
"""
