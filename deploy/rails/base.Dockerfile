# SPDX-License-Identifier: GPL-2.0-only
# Ruby, Rails and puma from Debian 12: what all versions of the app stand on. offline-base makes the same without a registry.
FROM debian:bookworm-slim
COPY packages /tmp/packages
RUN apt-get update && \
    xargs -a /tmp/packages apt-get install -y --no-install-recommends && \
    rm -rf /var/lib/apt/lists/* /tmp/packages
