"""A Docker engine and the docker command's files: where an engine is, its API, config.json, credential helpers.

May import the nouns, config and http. Builders, registries and kinds that deploy to Docker hosts use it.
"""
