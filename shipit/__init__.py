"""One deploy.yml, one image, every place it runs: build, push, release, verify."""

__version__ = "0.1.0"
