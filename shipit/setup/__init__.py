"""What a project already says of itself, and a first deploy.yml from it.

May import config. Nothing here writes; the command line does.
"""
