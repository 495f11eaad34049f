"""What an image is and how one is built: Dockerfile, context, layers, content store, builders.

May import docker and the nouns. Bases are read through a BlobSource, which the registry room implements.
"""
