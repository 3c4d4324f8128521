# EmoSense with its models, Ray, Ray's job server, the S3 driver and what training needs. Use it on its own, or as the image of every node of a
# Ray cluster (deploy/rayjob.yaml). It downloads nothing when it runs.
#
#   deploy/image.sh                  # builds it, labels samples/ in it, says how large it is; with docker, podman or buildah
#   docker run --rm --network none --read-only --tmpfs /tmp --user "$(id -u):$(id -g)" -v "$PWD:/data" -w /data \
#       emosense:0.1.0 label recordings -o labels.csv
#
# For a build that can be repeated byte for byte, name the base with its digest, as `docker buildx imagetools inspect
# python:3.11-slim-bookworm` prints it: --build-arg BASE=python:3.11-slim-bookworm@sha256:...
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/emosense
ENV PATH=/opt/emosense/bin:$PATH
WORKDIR /src

# What requirements.lock pins, with the extras `s3` and `train` and `ray[default]`, whose job server takes `ray job submit`.
COPY deploy/requirements.lock ./
RUN pip install --require-hashes --only-binary :all: -r requirements.lock

COPY pyproject.toml hatch_build.py README.md LICENSE NOTICE ./
COPY LICENSES ./LICENSES
COPY emosense ./emosense
RUN pip install --no-index --no-build-isolation --no-deps . && emosense-batch models verify
# Nothing is compiled or tested in the image: compilers, headers and the tests of packages stay out (half a gigabyte).
RUN cd /opt/emosense/lib/python3.11/site-packages && find . -name '*.a' -delete && \
    rm -rf clang tensorflow/include pyarrow/include && find . -depth -type d -name tests -exec rm -rf {} +

FROM ${BASE}

RUN useradd --uid 10001 --user-group --create-home emosense
COPY --from=build /opt/emosense /opt/emosense
COPY jobs /app/jobs

# RAY_*: see docs/environment.md. HOME: a folder that any user can write to, even with a read-only root file system.
ENV PATH=/opt/emosense/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    RAY_USAGE_STATS_ENABLED=0 \
    RAY_worker_niceness=0 \
    RAY_task_oom_retries=2
WORKDIR /app
# A number, so that Kubernetes can check that the user is not root.
USER 10001:10001
ENTRYPOINT ["emosense-batch"]
CMD ["--help"]
