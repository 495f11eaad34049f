"""Layers: packed, fetched, unpacked, indexed, and laid over each other as one tree.

May import image/store, image/tar, image/context, image/tree, image/image and the nouns.
"""
