FROM node:24-slim

LABEL org.opencontainers.image.title="Keyturn" \
      org.opencontainers.image.description="A self-hosted OAuth 2.1 and OpenID Connect authorization server" \
      org.opencontainers.image.licenses="Apache-2.0"

WORKDIR /app

# No package of the program needs an install script: argon2 and koffi bring their binaries along.
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --cache /tmp/npm && rm -rf /tmp/npm

COPY src ./src
COPY views ./views

# `docker exec NAME keyturn …` works as `docker run IMAGE …` does. The program's files stay root's: it only reads them.
RUN ln -s /app/src/keyturn.js /usr/local/bin/keyturn \
 && install -d -o 1000 -g 1000 -m 0700 /data /keys

# KEYTURN_WORKERS=auto has as many processes serve as the container may use cores. Node would let what is young take up to
# 128 MB of each process, and what is old grow to several times what is in use, without serving a request more; and each thread
# that has hashed a password would keep 19 MB.
ENV NODE_ENV=production \
    NODE_OPTIONS="--max-semi-space-size=4 --max-old-space-size=512" \
    MALLOC_ARENA_MAX=1 \
    KEYTURN_HOST=0.0.0.0 \
    KEYTURN_STORE=sqlite:/data/keyturn.db \
    KEYTURN_KEYS_DIR=/keys

# The keys apart from the data, so that a backup of one is useless without the other.
VOLUME ["/data", "/keys"]

EXPOSE 3000

# Compiled code is kept with the program, where the server may not write. So one that nobody sees compiles it here, as the user
# that reads it: every start takes a third of the processor time then, and two thirds of the memory.
RUN install -d -o 1000 -g 1000 node_modules/.cache/keyturn \
 && KEYTURN_STORE=sqlite:/tmp/keyturn/keyturn.db KEYTURN_KEYS_DIR=/tmp/keyturn/keys KEYTURN_LOG_LEVEL=warn \
    setpriv --reuid=1000 --regid=1000 --clear-groups timeout --preserve-status 30 keyturn serve \
 && rm -rf /tmp/keyturn && chown -R root:root node_modules/.cache && chmod -R a+rX node_modules/.cache

# The base image's user `node`, as a number: an orchestrator can tell from it that this is not root.
USER 1000:1000

HEALTHCHECK --interval=30s --timeout=5s --start-period=15s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.KEYTURN_PORT || 3000}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]

STOPSIGNAL SIGTERM
ENTRYPOINT ["keyturn"]
CMD ["serve"]
