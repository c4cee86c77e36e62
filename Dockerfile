# syntax=docker/dockerfile:1
# A small image of the runner: built in one stage, run in another, by a user that owns nothing.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev make pkg-config libssl-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo install --locked --path . --root /out

FROM debian:bookworm-slim
# OpenSSL is librdkafka's; the certificates are what everything trusts; psql is for `runner db`.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libssl3 postgresql-client tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /home/runner runner \
    && install --directory --owner=10001 --group=10001 /project /project/.runner /project/bucket
COPY --from=build /out/bin/runner /usr/local/bin/runner
USER 10001:10001
WORKDIR /project
VOLUME ["/project/.runner"]
ENTRYPOINT ["tini", "--", "runner"]
CMD ["list"]
