"""What an image is and how one is built: Dockerfile, context, layers, content store, builders.

May import errors, events, release, clock. Bases come through a BlobSource, which a registry implements.
"""
