"""The native builder: builds an image from a Dockerfile without RUN, in process, without a daemon or root.

May import all other sub-rooms of image except engine, and the nouns.
"""
