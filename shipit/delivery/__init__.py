"""The images of a run: which are needed, built once each, uploaded where they are lacking; tags that are moved last.

May import the nouns, config, http, docker, image and registry; knows no kind of target.
"""
