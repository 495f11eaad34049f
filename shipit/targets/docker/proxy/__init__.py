"""Caddy in front of the services of a Docker host: one container on each engine, shared by all apps of shipit there.

Its admin API listens on the loopback address of its container only: no other container and no user of the network reaches
it. shipit talks to it through `nc` in that container, started by the engine, so that the same works for unix, tcp and ssh.
The addresses of containers are in files there, which `sh` writes: a switch changes no configuration.
May import docker, http, config and the nouns.
"""
