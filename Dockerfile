# The image that pods run: docker buildx build --platform linux/amd64,linux/arm64 --tag rowmill .
# A release gives the base by its digest: --build-arg BASE=python:3.13-slim@sha256:...
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
COPY pyproject.toml README.md Dockerfile ./
COPY src ./src
RUN pip wheel --no-cache-dir --disable-pip-version-check --no-deps --wheel-dir /wheels .
# Compiled here: pods cannot write beside the code, and would compile at every start.
RUN pip install --no-cache-dir --disable-pip-version-check --compile --ignore-installed --prefix /install \
    "$(echo /wheels/rowmill-*.whl)[all]"
# A second binding of the same library, which CPython does not use, has 12 MB.
RUN rm -f /install/lib/python3.*/site-packages/zstandard/_cffi.*.so

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="Rowmill" \
    org.opencontainers.image.description="Your function on every row of a large file: every row, once, in order, proved" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}"
RUN groupadd --gid 10001 rowmill && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp rowmill
COPY --from=build /install /usr/local
# What a job prints is in the log at once.
ENV PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["rowmill"]
