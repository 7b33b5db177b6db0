# The gateway in an image without build tools, from the same lock as everywhere else.

FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements ./requirements
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement requirements/bootstrap.lock \
    && python -m venv --without-pip /opt/aqueduct \
    && VIRTUAL_ENV=/opt/aqueduct /opt/build/bin/uv pip install --no-cache --compile-bytecode --require-hashes \
        --requirement requirements/requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY schemas ./schemas
COPY adapters ./adapters
COPY aqueduct ./aqueduct
COPY migrations ./migrations
RUN /opt/build/bin/hatchling build --target wheel --directory /opt/dist \
    && VIRTUAL_ENV=/opt/aqueduct /opt/build/bin/uv pip install --no-cache --compile-bytecode --no-deps /opt/dist/*.whl

FROM python:3.13-slim
# An allocator that `serve` uses where it finds it, and that returns memory after a peak: docs/adr/0020-memory-after-a-peak.md
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libjemalloc2 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home --home-dir /var/lib/aqueduct aqueduct \
    && install --directory --owner aqueduct --mode 700 /var/lib/aqueduct/.aqueduct
COPY --from=build /opt/aqueduct /opt/aqueduct
ENV PATH=/opt/aqueduct/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    AQUEDUCT_HOST=0.0.0.0
WORKDIR /var/lib/aqueduct
USER aqueduct
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health/live', timeout=2)"]
ENTRYPOINT ["aqueduct"]
CMD ["serve"]
