"""A registry as a target: images are published there. May import registry, http, config and the nouns."""
