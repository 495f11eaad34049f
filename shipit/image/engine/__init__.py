"""Docker engines: where one is, what it can do, its builds, and how their result comes into the store.

May import the rest of `image` and the nouns; reads no environment: the variables are handed in.
"""
