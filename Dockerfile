# syntax=docker/dockerfile:1

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc prisma.config.ts ./
COPY prisma prisma
COPY scripts scripts
# The optional packages are Node and PostgreSQL for development; the image has its own Node.
RUN npm ci --omit=optional
RUN npm prune --omit=dev --omit=optional --ignore-scripts

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
WORKDIR /app
# All of it is root's: the service can read it, and change nothing.
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/src/generated src/generated
COPY package.json LICENSE ./
COPY prisma/migrations prisma/migrations
COPY src src
# The image's `node`, by number, so that an orchestrator can see that it is not root.
USER 1000:1000
EXPOSE 3000
STOPSIGNAL SIGTERM
# Not /readyz: who restarts what is unhealthy would restart it for a database that is down.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:'+process.env.PORT+'/livez').then((r)=>process.exit(r.ok?0:1),()=>process.exit(1))"]
# Node itself is process 1, so that SIGTERM reaches it.
CMD ["node", "--max-semi-space-size=32", "--heap-growing-percent=150", "--import", "./src/cli/check-node.mjs", "src/main.ts"]
