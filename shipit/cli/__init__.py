"""The command line: parse, hand the kinds' models to config, call, print, exit. May import every room.

What a command needs is imported when it runs, so that the others start fast.
"""
