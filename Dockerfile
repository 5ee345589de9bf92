# The pipeline's software: what requirements.lock pins, each file held to its hash, and nothing else. See docs/cluster.md.
FROM python:3.11-slim AS build
RUN python -m pip install --no-cache-dir uv && uv venv /opt/causalgrok
COPY requirements.lock /
RUN uv pip sync --python /opt/causalgrok/bin/python --require-hashes --compile-bytecode --no-cache /requirements.lock

FROM python:3.11-slim
COPY --from=build /opt/causalgrok /opt/causalgrok
ENV PATH=/opt/causalgrok/bin:$PATH
