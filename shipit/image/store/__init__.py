"""The content store: blobs by digest on disk, small memos about them, and a bound on their size.

May import image/manifest and the nouns.
"""
