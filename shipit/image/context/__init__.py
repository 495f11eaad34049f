"""A build context: the files of a folder that .dockerignore keeps, their times and what identifies them.

May import image/patterns, image/tree, image/options, image/withheld and the nouns.
"""
