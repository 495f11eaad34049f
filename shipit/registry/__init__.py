"""A registry over HTTP: credentials, tokens, reading, publishing. Implements image.BlobSource.

May import image, http, config.environment and the nouns.
"""
