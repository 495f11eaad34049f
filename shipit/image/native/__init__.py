"""The native builder: a Dockerfile without RUN to an image, in process.

May import image/dockerfile, image/context, image/layers, image/store, image/tar, image/patterns, values of image, nouns.
"""
