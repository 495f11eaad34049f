"""A Docker engine and the docker command's files: the engine's address, its API, config.json, credential helpers.

May import the nouns, config and http. Builders, registries and targets that are Docker hosts use it.
"""
