# syntax=docker/dockerfile:1
FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# The image has its own Node; the one that the package installs for older machines is not needed.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
# A checkout may be readable by its owner alone (umask 077), and another user runs this image.
RUN npm run build && chmod -R a+rX dist

FROM node:24-slim AS dependencies
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# The optional packages are left out: they draw the plots of `mixllm bench`, read the tables of `mixllm convert`, and
# run sentence-embedding models. For `embedding: { kind: transformers }` build with --build-arg OMIT=dev; that adds
# 130 MB. What is removed then is for browsers and for other systems.
ARG OMIT=optional
RUN npm ci --omit=dev --omit=$OMIT --ignore-scripts \
  && rm -rf node_modules/onnxruntime-web node_modules/onnxruntime-node/bin/napi-v6/darwin node_modules/onnxruntime-node/bin/napi-v6/win32

FROM node:24-slim
ENV NODE_ENV=production
# Wins over `server.port` of a mounted config, so that EXPOSE and HEALTHCHECK stay right.
ENV PORT=8080
WORKDIR /app
COPY --from=dependencies /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY package.json LICENSE ./
COPY docker/mixllm.yaml ./config/mixllm.yaml
RUN chmod a+r package.json LICENSE config/mixllm.yaml
# The event log lives in the volume; the gateway needs to write nowhere else.
RUN mkdir data && chown node:node data
USER node
VOLUME /app/data
EXPOSE 8080
# The port opens when the log has been read, after ten minutes at most. The container is healthy as soon as it is ready.
HEALTHCHECK --interval=10s --timeout=3s --start-period=630s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# By default Node gives new objects up to 128 MB, which makes nothing faster.
CMD ["node", "--max-semi-space-size=16", "dist/main.js", "serve"]
