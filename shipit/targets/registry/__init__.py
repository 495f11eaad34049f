"""A registry as a target of its own: images are published there, and nothing more happens."""
