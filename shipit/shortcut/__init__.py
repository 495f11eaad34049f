"""A command that is given again begins with what it found in deploy.yml the last time: neither YAML nor models are read.

May import the nouns and config. `inputs` and `entries` import neither pydantic nor YAML.
"""
