"""The content store: blobs by digest on disk, memos (small cached values), and a limit on their size.

May import image/manifest and the nouns.
"""
