"""A build context: the files of a folder without those that .dockerignore excludes, their times and file stamps.

May import image/patterns, image/tree, image/options, image/withheld and the nouns.
"""
