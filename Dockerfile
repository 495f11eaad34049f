# shipit in an image: docker run -v "$PWD:/app" IMAGE deploy
ARG BASE=python:3.12-slim
FROM ${BASE}

COPY requirements/run.txt /tmp/
RUN pip install --no-cache-dir --no-deps --require-hashes -r /tmp/run.txt
COPY pyproject.toml README.md LICENSE /opt/shipit/
COPY shipit /opt/shipit/shipit
RUN pip install --no-cache-dir --no-deps /opt/shipit

WORKDIR /app
ENTRYPOINT ["shipit"]
CMD ["--help"]
