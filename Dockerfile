# syntax=docker/dockerfile:1
# Slim Debian (musl has no wheels for some of this), two stages: what builds is not in what runs. Python 3.14 on trixie brings OpenSSL 3.5.
FROM python:3.14-slim-trixie AS build
WORKDIR /build
COPY requirements/ requirements/
RUN python -m venv /opt/gateway \
 && /opt/gateway/bin/python -m pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/runtime.txt \
 && python -m pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE config.yaml ./
COPY policies/ policies/
COPY gateway/ gateway/
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --no-index --wheel-dir dist . \
 && /opt/gateway/bin/python -m pip install --no-cache-dir --no-deps --no-index dist/*.whl \
 && /opt/gateway/bin/python -m pip uninstall --quiet --yes pip \
 && /opt/gateway/bin/gateway --version

FROM python:3.14-slim-trixie
# No shell, no home: a number that belongs to nobody on the host. Configuration and state are mounted; the rest can be read-only.
COPY --from=build /opt/gateway /opt/gateway
ENV PATH=/opt/gateway/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
USER 65532:65532
WORKDIR /etc/pii-gateway
EXPOSE 8443
STOPSIGNAL SIGTERM
ENTRYPOINT ["gateway"]
CMD ["serve", "--config", "/etc/pii-gateway/config.yaml"]
