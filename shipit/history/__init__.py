"""Past runs: the journal that a run writes on this machine, and how it is read again; saved plans and keys.

May import the nouns. What a file of a journal says is checked like anything else from outside.
"""
