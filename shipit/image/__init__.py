"""What an image is and how one is built: Dockerfile, context, layers, content store, builders.

May import docker and the nouns. Bases come through a BlobSource, which a registry implements.
"""
