# Stage 1 compiles the wheel and fetches those it needs; stage 2 installs them without network and
# without a compiler. It runs as dce, and writes nowhere but below /var/lib/dce.

FROM python:3.11-slim-bookworm AS wheels
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# require: fail where a module cannot be compiled; 0: plain Python, for a quick image
ARG DCE_COMPILE=require
RUN pip wheel --no-cache-dir --wheel-dir /wheels .

FROM python:3.11-slim-bookworm
COPY --from=wheels /wheels /wheels
RUN pip install --no-cache-dir --no-index --find-links=/wheels dependable-call-exchange \
    && rm -rf /wheels \
    && pip uninstall -y setuptools wheel pip
# The embedded PostgreSQL wants an account, and a home of this mode.
RUN groupadd --gid 10001 dce \
    && useradd --uid 10001 --gid dce --home-dir /var/lib/dce --shell /usr/sbin/nologin dce \
    && install -d -o dce -g dce -m 0700 /var/lib/dce
ENV DCE_DATA_DIR=/var/lib/dce \
    DCE_ENVIRONMENT=production \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/dce
VOLUME /var/lib/dce
EXPOSE 5060/udp 5060/tcp 8080/tcp
STOPSIGNAL SIGTERM
# Alive, not ready: a server that drains or has no plan is not to be killed for it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["dce", "health"]
ENTRYPOINT ["dce"]
CMD ["run"]
