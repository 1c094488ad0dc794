# The sidecar with its embedded store. It listens on loopback, which the containers of one pod share; to publish the port,
# set CREDITGATE_LISTEN=0.0.0.0:50051 and add `--insecure`:
#
#   docker run --env CREDITGATE_LISTEN=0.0.0.0:50051 --publish 50051:50051 creditgate serve --insecure
FROM python:3.13-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_PYTHON=/opt/creditgate/bin/python \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /src
# The image's pip installs into it, so that what is shipped has none.
RUN python -m venv --without-pip /opt/creditgate

# What changes seldom comes first, so that a change of the code does not install everything again.
COPY requirements/server.txt requirements/
RUN pip install --require-hashes --requirement requirements/server.txt

COPY pyproject.toml README.md LICENSE ./
COPY client client
COPY server server
RUN pip install --no-deps .


FROM python:3.13-slim-bookworm

# The store is about a fifth faster with jemalloc, which the server preloads where it finds it.
# hadolint ignore=DL3008 # the newest of the distribution's release is wanted
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libjemalloc2 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/creditgate creditgate

COPY --from=build /opt/creditgate /opt/creditgate
ENV PATH=/opt/creditgate/bin:$PATH \
    CREDITGATE_DATA_DIR=/var/lib/creditgate/data

USER 10001
WORKDIR /var/lib/creditgate
VOLUME /var/lib/creditgate
EXPOSE 50051 9464

# Lets calls under way end; a second one ends at once.
STOPSIGNAL SIGTERM
# Asks CREDITGATE_TARGET, by default 127.0.0.1:50051: tell it too where another CREDITGATE_LISTEN is. A store of 1,000,000
# holds is read in less than the start period.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["creditgate", "health"]
ENTRYPOINT ["creditgate"]
CMD ["serve"]
