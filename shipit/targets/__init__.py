"""The protocol that every place obeys, and one folder per kind. Deleting a kind's folder and its entry removes it.

May import registry, image, http, config and the nouns. A kind imports no other kind.
"""
