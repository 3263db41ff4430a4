# Patchbay in a container: configuration and database live in the volume /data.
#
#   docker build -t patchbay .
#   docker run -v patchbay-data:/data -p 8080:8080 -e TELEGRAM_BOT_TOKEN patchbay
#
# /data/patchbay.toml is the configuration. In it, [web] needs host = "0.0.0.0", or nothing outside reaches the port.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PATCHBAY_CONFIG=/data/patchbay.toml

WORKDIR /app

# First what changes rarely: the locked dependencies, each checked against its hash.
COPY requirements.txt ./
RUN python -m pip install --require-hashes -r requirements.txt

COPY pyproject.toml README.md LICENSE ./
COPY bot ./bot
COPY bridges ./bridges
RUN python -m pip install --no-deps --no-build-isolation .

# Letters for the picture of the week, which the image has none of; fonts-noto-cjk has Chinese, Japanese and Korean.
RUN apt-get update \
    && apt-get install -y --no-install-recommends fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*

# A fixed id, so that a mounted folder can be given to it: chown 10001 data.
RUN useradd --system --uid 10001 --home-dir /data --no-create-home patchbay \
    && mkdir /data \
    && chown patchbay /data
USER patchbay
WORKDIR /data
VOLUME /data
EXPOSE 8080

# On SIGTERM the bot finishes what it is sending and stops.
STOPSIGNAL SIGTERM

# The image has no curl. http.client, because it never asks a proxy; no answer raises, which is failure too.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8080, timeout=4); \
c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]

CMD ["patchbay", "run"]
