"""The releases of a namespace: a Secret for each, how long they are kept, and the return to one of them.

Imports the other modules of the kind. Only `store` talks to the server.
"""
