"""Local stand-ins: an embedded registry, and a Heroku whose dynos answer. For the demo, rehearsals and tests.

May import everything but cli. They listen on loopback only, hold nothing after they stop, and refuse what they do not know.
"""
