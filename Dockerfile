# shipit in an image: docker run -v "$PWD:/app" IMAGE deploy
# The digest of the index, for every platform; `docker buildx imagetools inspect python:3.12-slim` shows the newest.
ARG BASE=python:3.12-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea
FROM ${BASE}

COPY requirements/run.txt /tmp/
RUN pip install --no-cache-dir --no-deps --require-hashes -r /tmp/run.txt
COPY pyproject.toml README.md LICENSE /opt/shipit/
COPY shipit /opt/shipit/shipit
RUN pip install --no-cache-dir --no-deps /opt/shipit

WORKDIR /app
ENTRYPOINT ["shipit"]
CMD ["--help"]
