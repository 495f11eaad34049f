"""Layers: packing, fetching, unpacking, an index of the files in each, and the tree of several layers.

May import image/store, image/tar, image/context, image/tree, image/image and the nouns.
"""
