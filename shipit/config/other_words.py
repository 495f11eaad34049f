"""Keys of Compose, Heroku, Kamal, Helm, Skaffold and Fly, and what is written here instead. Pure."""

from __future__ import annotations

from collections.abc import Set

from shipit.config.service_words import SERVICE_WORDS, service_hints

# A key of ours that tells which map of the file it is.
_TOP, _HEROKU, _PROCESS, _KUBERNETES, _WORKLOAD = "targets", "processes", "quantity", "manifests", "sidecars"
_REGISTRY, _IMAGE, _BUILD, _RELEASE, _TARGET = "keep_tags", "repository", "dockerfile", "command", "needs"

Words = tuple[tuple[str, str], ...]

_VARIABLES = "variables stand under env:"
_OF_APP = "a Heroku app has one set of variables: they stand under env: of the target, or at the top of the file"
_TOP_VARIABLES = "variables stand under env: at the top of the file"
_WORKLOADS = "targets: {k8s: {workloads: {NAME: {...}}}}"
_CPU = "write cpu: 250m and memory: 256Mi"
_HEALTH = "write health: /PATH, which should answer 200"
_MANIFESTS = "write it in a YAML file, and name that under manifests: of a Kubernetes target"
_VOLUMES = "write volumes: {/PATH: 10Gi} for a claim, or {/PATH: empty}"
_VOLUMES_TOP = "they stand in a workload: targets: {k8s: {volumes: {/PATH: 10Gi}}}"
_ORDER = "needs: of a target names the targets that come first"
_IN_K8S = "it stands in a workload: targets: {k8s: {%s: ...}}"


def _k8s(key: str) -> str:
    return _IN_K8S % key


def _in_workloads(hint: str, top: str = "") -> Words:
    """The hint for a workload and for workload keys right under a target; at the top `top`, or where it stands."""
    return ((_TOP, top or hint), (_WORKLOAD, hint))


# Key -> (a key that is known in the map where the word stands, what to write there). The first that fits counts.
_WORDS: dict[str, Words] = {
    # what runs
    "services": ((_TOP, "write targets: for where it runs, and images: for what is built"), (_KUBERNETES, "write workloads:"), (_HEROKU, "write processes:")),
    "service": ((_TOP, "write targets: for where it runs, and app: for its name"), (_WORKLOAD, "port: creates a Service")),
    "servers": ((_TOP, "write targets:, which name a cluster, a Heroku app or a registry"),),
    "roles": ((_TOP, "each role is a workload or a process, such as " + _WORKLOADS), (_KUBERNETES, "write workloads:"), (_HEROKU, "write processes:")),
    "deploy": ((_TOP, "write targets: for where it goes"), (_WORKLOAD, "write replicas: N"), (_PROCESS, "write quantity: N")),
    "workloads": ((_TOP, "it stands in a Kubernetes target: targets: {k8s: {workloads: ...}}"), (_HEROKU, "they are processes: here")),
    "processes": ((_TOP, "it stands in a Heroku target: targets: {heroku: {processes: ...}}"), (_KUBERNETES, "they are workloads: here")),
    "formation": ((_TOP, "write targets: {heroku: {processes: {web: {quantity: N}}}}"), (_HEROKU, "write processes: {web: {quantity: N}}")),
    "containers": ((_TOP, "each container is a workload, " + _WORKLOADS), (_KUBERNETES, "each is one of workloads:"), (_WORKLOAD, "more containers stand under sidecars: and init:")),
    "deployment": ((_TOP, "each is a workload, " + _WORKLOADS), (_WORKLOAD, "its keys stand right here")),
    "run": ((_TOP, "write command: of a workload or a process"), (_HEROKU, "write processes: {web: {command: ...}}"), (_WORKLOAD, "write command:"), (_PROCESS, "write command:")),
    "cmd": ((_TOP, "write command: of a workload or a process"), (_WORKLOAD, "write command:"), (_PROCESS, "write command:")),
    "command": ((_TOP, "it stands in a workload or process; release: is what runs before each release"), (_HEROKU, "it stands in a process: processes: {web: {command: ...}}")),
    "entrypoint": ((_TOP, "write command: of a workload"), (_WORKLOAD, "write command:, which replaces the entrypoint"), (_PROCESS, "write command:")),
    "args": ((_IMAGE, "arguments of a build stand in build: {args: ...}"),),
    "accessories": ((_TOP, "databases and the like are not deployed; their URLs stand under secrets:"),),
    # how many, and how large
    "replicas": ((_TOP, _k8s("replicas")), (_PROCESS, "it is called quantity: here"), (_HEROKU, "write processes: {web: {quantity: N}}")),
    "replicaCount": _in_workloads("write replicas: N", "write targets: {k8s: {replicas: N}}"),
    "dynos": ((_TOP, "write targets: {heroku: {processes: {web: {quantity: N}}}}"), (_HEROKU, "write processes: {web: {quantity: N}}"), (_PROCESS, "write quantity: N")),
    "dyno": ((_PROCESS, "write size: standard-1x"), (_HEROKU, "write processes: {web: {size: standard-1x}}")),
    "dyno_size": ((_PROCESS, "write size: standard-1x"), (_HEROKU, "write processes: {web: {size: standard-1x}}")),
    "dyno_type": ((_PROCESS, "write size: standard-1x"), (_HEROKU, "write processes: {web: {size: standard-1x}}")),
    "scale": ((_TOP, _k8s("scale")), (_PROCESS, "it is called quantity: here"), (_HEROKU, "write processes: {web: {quantity: N}}")),
    "quantity": ((_TOP, "it stands in a process: targets: {heroku: {processes: {web: {quantity: N}}}}"), (_WORKLOAD, "it is called replicas: here"), (_HEROKU, "it stands in a process: processes: {web: {quantity: N}}")),
    "autoscaling": _in_workloads("write scale: {min: 2, max: 10}", "write targets: {k8s: {scale: {min: 2, max: 10}}}"),
    "resources": ((_TOP, "write targets: {k8s: {cpu: 250m, memory: 256Mi}}"), (_WORKLOAD, _CPU), (_PROCESS, "write size: standard-1x"), (_HEROKU, "write processes: {web: {size: standard-1x}}")),
    "limits": ((_WORKLOAD, _CPU),),
    "cpus": ((_WORKLOAD, "write cpu: 250m"),),
    "mem_limit": ((_WORKLOAD, "write memory: 256Mi"),),
    "requests": ((_WORKLOAD, _CPU),),
    "vm": ((_TOP, "write targets: {k8s: {cpu: 250m, memory: 256Mi}}"), (_WORKLOAD, _CPU)),
    # variables and secrets
    "environment": ((_TOP, "variables stand under env:, and environments such as staging under environments:"), (_WORKLOAD, _VARIABLES), (_PROCESS, _OF_APP), (_HEROKU, _VARIABLES), (_TARGET, _TOP_VARIABLES)),
    "env_file": ((_TOP, "write dotenv: FILE, and name its variables under env: or secrets:"), (_WORKLOAD, "write dotenv: FILE at the top of the file"), (_PROCESS, "write dotenv: FILE at the top of the file"), (_TARGET, "write dotenv: FILE at the top of the file")),
    "env": ((_PROCESS, _OF_APP), (_TARGET, _TOP_VARIABLES)),
    "envFrom": ((_WORKLOAD, _VARIABLES),),
    "config": ((_TOP, _VARIABLES), (_HEROKU, _VARIABLES), (_TARGET, _TOP_VARIABLES)),
    "config_vars": ((_TOP, _VARIABLES), (_HEROKU, _VARIABLES), (_TARGET, _TOP_VARIABLES)),
    "variables": ((_TOP, _VARIABLES), (_WORKLOAD, _VARIABLES), (_HEROKU, _VARIABLES), (_TARGET, _TOP_VARIABLES)),
    "secrets": ((_WORKLOAD, "they stand at the top of the file: secrets: {NAME: {env: NAME, only: [TARGET]}}"), (_TARGET, "they stand at the top of the file: secrets: {NAME: {env: NAME, only: [TARGET]}}"), (_PROCESS, "they stand at the top of the file")),
    "secret": ((_TOP, "write secrets: {NAME: {env: NAME}}"),),
    "configs": ((_TOP, "they stand in a workload: targets: {k8s: {files: {/PATH: FILE}}}"), (_WORKLOAD, "write files: {/PATH: FILE}")),
    # network
    "port": ((_TOP, _k8s("port")), (_PROCESS, "Heroku gives the port in $PORT"), (_HEROKU, "Heroku gives the port in $PORT")),
    "ports": ((_TOP, _k8s("port") + ", and further ones under ports:"), (_PROCESS, "Heroku gives the port in $PORT"), (_HEROKU, "Heroku gives the port in $PORT")),
    "expose": _in_workloads("write port: N", "write targets: {k8s: {port: N}}"),
    "containerPort": ((_WORKLOAD, "write port: N"),),
    "http_service": ((_TOP, "write targets: {k8s: {port: N, health: /PATH}}"),),
    "proxy": ((_TOP, "write targets: {k8s: {port: N, host: NAME, health: /PATH}}"), (_WORKLOAD, "write port: N and host: NAME")),
    "ingress": _in_workloads("write host: NAME", "write targets: {k8s: {port: N, host: NAME}}"),
    "hosts": ((_TOP, "write targets: {k8s: {port: N, hosts: [NAME]}}"),),
    "host": ((_TOP, _k8s("host")),),
    "domain": _in_workloads("write host: NAME", "write targets: {k8s: {port: N, host: NAME}}"),
    "networks": ((_TOP, "a cluster needs none: workloads reach each other by name"), (_WORKLOAD, "a cluster needs none: workloads reach each other by name")),
    "links": ((_WORKLOAD, "workloads reach each other by name"),),
    # health
    "healthcheck": ((_TOP, "write targets: {k8s: {port: N, health: /PATH}}"), (_WORKLOAD, _HEALTH), (_HEROKU, _HEALTH), (_PROCESS, _HEALTH)),
    "health_check": ((_TOP, "write targets: {k8s: {port: N, health: /PATH}}"), (_WORKLOAD, _HEALTH), (_HEROKU, _HEALTH), (_PROCESS, _HEALTH)),
    "readinessProbe": ((_WORKLOAD, "write readiness: /PATH, or health: /PATH"),),
    "livenessProbe": ((_WORKLOAD, "write liveness: /PATH"),),
    "startupProbe": ((_WORKLOAD, "write startup: /PATH"),),
    "restart": ((_WORKLOAD, "a cluster always restarts what ends; restarts_allowed: of the target is how many a deploy bears"), (_PROCESS, "Heroku always restarts what ends")),
    # keys of shipit that stand elsewhere
    "approve": ((_TOP, "it stands in an environment or a target: environments: {NAME: {approve: true}}"),),
    "protected": ((_TOP, "it stands in an environment or a target: environments: {NAME: {protected: true}}"),),
    "check": ((_TOP, "it stands in a target: targets: {NAME: {check: URL}}"),),
    "freeze": ((_TARGET, "it stands at the top of the file or in an environment"),),
    "max_parallel": ((_TARGET, "it stands at the top of the file or in an environment"),),
    # order
    "depends_on": ((_TOP, _ORDER), (_TARGET, "write needs: [TARGET]"), (_WORKLOAD, "workloads start together; " + _ORDER), (_PROCESS, "processes start together; " + _ORDER)),
    # storage and other tools' objects
    "volumes": ((_TOP, _VOLUMES_TOP), (_HEROKU, "Heroku has no volumes"), (_PROCESS, "Heroku has no volumes")),
    "mounts": ((_TOP, _VOLUMES_TOP), (_WORKLOAD, _VOLUMES)),
    "persistence": ((_TOP, _VOLUMES_TOP), (_WORKLOAD, _VOLUMES)),
    "addons": ((_TOP, "the Heroku CLI creates them: heroku addons:create PLAN"), (_HEROKU, "the Heroku CLI creates them: heroku addons:create PLAN")),
    "buildpacks": ((_TOP, "images are built from a Dockerfile: image: {build: .}"), (_HEROKU, "images are built from a Dockerfile: image: {build: .}")),
    "stack": ((_TOP, "it is always container: heroku create --stack container"), (_HEROKU, "it is always container: heroku create --stack container")),
    "setup": ((_TOP, "the Heroku CLI creates apps and add-ons; variables stand under env:"),),
    "apiVersion": ((_TOP, "this file is not a Kubernetes object: " + _MANIFESTS), (_WORKLOAD, _MANIFESTS)),
    "metadata": ((_TOP, "the name is app: here"), (_WORKLOAD, _MANIFESTS)),
    "spec": ((_TOP, _MANIFESTS), (_WORKLOAD, "its keys stand right here, and any other field under patch:")),
    "chart": ((_TOP, "it goes under helm: of a Kubernetes target"), (_KUBERNETES, "it goes under helm:, as helm: {chart: PATH}")),
    "helm": ((_TOP, "it goes under a Kubernetes target, as helm: {chart: PATH}"),),
    "values": ((_TOP, "they go under helm: of a Kubernetes target"), (_KUBERNETES, "they go under helm:, as helm: {chart: PATH, values: [FILE]}")),
    "kustomize": ((_TOP, "it goes under a Kubernetes target, as kustomize: PATH"),),
    "kubectl": ((_TOP, "name the YAML files: targets: {k8s: {manifests: [FOLDER/]}}"), (_KUBERNETES, "name the YAML files under manifests:")),
    "rawYaml": ((_KUBERNETES, "name the YAML files under manifests:"),),
    "manifests": ((_TOP, "it stands in a Kubernetes target: targets: {k8s: {manifests: ...}}"), (_HEROKU, "they belong to a Kubernetes target")),
    "nodeSelector": ((_WORKLOAD, "write node: {NAME: VALUE}"),),
    "tolerations": ((_TOP, _k8s("tolerations")),),
    "affinity": ((_WORKLOAD, "write spread: zone, or the whole field under patch:"),),
    "topologySpreadConstraints": ((_WORKLOAD, "write spread: zone"),),
    "initContainers": ((_WORKLOAD, "write init: {NAME: {command: ...}}"),),
    "volumeMounts": ((_WORKLOAD, _VOLUMES),),
    "securityContext": ((_WORKLOAD, "write security: restricted"),),
    "serviceAccountName": ((_WORKLOAD, "write service_account: NAME"),),
    "terminationGracePeriodSeconds": ((_WORKLOAD, "write grace: 60s"),),
    "stop_grace_period": ((_WORKLOAD, "write grace: 60s"),),
    "labels": ((_TOP, _k8s("labels")),),
    "annotations": ((_TOP, _k8s("annotations")),),
    "imagePullSecrets": ((_WORKLOAD, "write pull_secret: true in the target"),),
    # images
    "artifacts": ((_TOP, "write images: {NAME: {repository: ..., build: FOLDER}}"),),
    "build": ((_TOP, "it stands in an image: image: {build: ...}"), (_WORKLOAD, "it stands in an image, at the top of the file: image: {build: ...}"), (_PROCESS, "it stands in an image, at the top of the file: image: {build: ...}"), (_TARGET, "it stands in an image, at the top of the file: image: {build: ...}")),
    "builder": ((_TOP, "it stands in a build: image: {build: {builder: ...}}"), (_IMAGE, "it stands in build:")),
    "dockerfile": ((_TOP, "it stands in a build: image: {build: {dockerfile: ...}}"), (_IMAGE, "it stands in build:")),
    "context": ((_TOP, "it stands in a build: image: {build: ...}"), (_IMAGE, "it stands in build:")),
    "target": ((_BUILD, "the stage to build is stage: here"),),
    "platform": ((_TOP, "it stands in a build: image: {build: {platforms: [...]}}"), (_IMAGE, "write build: {platforms: [linux/amd64]}"), (_WORKLOAD, "it stands in a build: image: {build: {platforms: [...]}}")),
    "repository": ((_TOP, "it stands in an image: image: {repository: ...}"),),
    "registry": ((_TOP, "its host stands in the image: image: HOST/USER/APP; shipit login HOST signs in"), (_IMAGE, "its host stands in repository: HOST/USER/APP")),
    "tag": ((_TOP, "it stands in an image: image: {tags: [...]}"), (_IMAGE, "write tags: [...]")),
    "tags": ((_TOP, "it stands in an image: image: {tags: [...]}"),),
    "tagPolicy": ((_TOP, "it stands in an image: image: {tags: [...]}"),),
    "image": ((_HEROKU, "it stands in a process: processes: {web: {image: ...}}"), (_REGISTRY, "it is a list here: images: [...]")),
    "images": ((_WORKLOAD, "a workload runs one: image: NAME"), (_PROCESS, "a process runs one: image: NAME")),
    # the file
    "name": ((_TOP, "it is called app: here"), (_HEROKU, "it is called app: here"), (_WORKLOAD, "the name is the key above: workloads: {NAME: {...}}")),
    "project": ((_TOP, "the name is app: here"),),
    "extends": ((_TOP, "write include: FILE"), (_WORKLOAD, "YAML has anchors: &NAME, and <<: *NAME")),
    "profiles": ((_TOP, "write environments: {NAME: {...}}, chosen with -e NAME"), (_WORKLOAD, "write environments: {NAME: {...}}, chosen with -e NAME")),
    "stages": ((_TOP, "write environments: {NAME: {...}}, chosen with -e NAME"), (_BUILD, "one stage is built: stage: NAME")),
    "release": ((_TARGET, "it stands at the top of the file: release: COMMAND"), (_WORKLOAD, "it stands at the top of the file: release: COMMAND")),
    "release_command": ((_TOP, "write release: COMMAND"), (_TARGET, "write release: COMMAND at the top of the file")),
}  # fmt: skip

# Names of targets that mean a kind of ours -> the kind.
_TARGET_NAMES = {
    **dict.fromkeys(("kube", "cluster", "gke", "eks", "aks", "minikube", "kind", "openshift", "helm", "kubectl"), "kubernetes"),
    **dict.fromkeys(("docker-hub", "docker.io", "ghcr", "ecr", "gcr", "acr", "quay", "registries"), "registry"),
}  # fmt: skip
_PROCESS_NAMES = frozenset({"web", "app", "api", "worker", "workers", "server", "frontend", "backend", "db", "clock"})


def hint_for_key(word: str, known: Set[str]) -> str:
    """What to write instead of a key in a map whose keys are `known`; empty when nothing is known of it."""
    hints = (*service_hints(word), *_WORDS.get(word, ()))
    return next((hint for key, hint in hints if key in known), "")


def words_for(known: Set[str]) -> dict[str, str]:
    """Each key of other tools -> what to write instead, in a map whose keys are `known`."""
    words = (*_WORDS, *sorted(SERVICE_WORDS - _WORDS.keys()))
    return {word: hint for word in words if word not in known and (hint := hint_for_key(word, known))}


def hint_for_target(name: str) -> str:
    """What to write for a target with a name that is not a kind; empty when nothing is known of it."""
    if name in _TARGET_NAMES:
        return f"write {name}: {{kind: {_TARGET_NAMES[name]}, ...}}"
    if name in _PROCESS_NAMES:
        return f"what runs stands in a target: targets: {{k8s: {{workloads: {{{name}: ...}}}}}}"
    return ""
