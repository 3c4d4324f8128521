#!/bin/bash
# Build the image of the Dockerfile with the engine that is here (docker, podman or buildah), label samples/ in it as its
# user (with docker and podman without a network, on a read-only root), and say how large it is. It fails if the image is
# larger than limit_mb.
#
#   deploy/image.sh                    the base is python:3.11-slim-bookworm, from a registry
#   deploy/image.sh --base debian      the base is made here, from Debian's packages (needs root and debootstrap)
#   deploy/image.sh -- OPTIONS...      what stands behind -- goes to the engine's build, such as --build-arg or --volume
#
# docs/cluster.md says more.
set -euo pipefail
cd "$(dirname "$0")/.."
limit_mb=2600
TAG=emosense:$(sed -n 's/^__version__ = "\(.*\)"/\1/p' emosense/_version.py)

# The container programs; `docker` alone may be a client without an engine.
engine() {
  if docker info > /dev/null 2>&1; then echo docker
  elif command -v podman > /dev/null; then echo podman
  elif command -v buildah > /dev/null; then echo buildah
  else echo "no engine: start docker, or install podman or buildah" >&2; exit 2; fi
}

# An image of Debian with Python, called localhost/emosense-base.
debian_base() {
  local root
  root=$(mktemp -d)
  debootstrap --variant=minbase --include=python3.11,python3-distutils,python3.11-venv,ca-certificates bookworm "$root/debian" > /dev/null
  ln -s /usr/bin/python3.11 "$root/debian/usr/local/bin/python"
  rm -rf "$root"/debian/var/cache/apt/archives/*.deb "$root"/debian/var/lib/apt/lists/*
  if [ "$ENGINE" = buildah ]; then
    local container
    container=$(buildah from scratch)
    buildah add -q "$container" "$root/debian" / > /dev/null
    buildah commit -q --rm "$container" localhost/emosense-base > /dev/null
  else
    tar -C "$root/debian" -c . | "$ENGINE" import - localhost/emosense-base > /dev/null
  fi
  rm -rf "$root"
}

# run USER COMMAND...: in a new container of the image, with samples/ at /samples.
run() {
  local user=$1; shift
  if [ "$ENGINE" = buildah ]; then
    local container
    container=$(buildah from --pull-never "$TAG")
    buildah run --isolation chroot --user "$user" --volume "$PWD/samples:/samples:ro" "$container" -- "$@" || { buildah rm "$container" > /dev/null; return 1; }
    buildah rm "$container" > /dev/null
  else
    "$ENGINE" run --rm --network none --read-only --tmpfs /tmp --user "$user" --volume "$PWD/samples:/samples:ro" --entrypoint "$1" "$TAG" "${@:2}"
  fi
}

base=()
if [ "${1:-}" = --base ]; then
  [ "${2:-}" = debian ] || { echo "--base takes debian" >&2; exit 2; }
  shift 2
  base=(--build-arg BASE=localhost/emosense-base)
fi
[ "${1:-}" != -- ] || shift
ENGINE=$(engine)
echo "engine: $ENGINE"
[ ${#base[@]} = 0 ] || debian_base
if [ "$ENGINE" = buildah ]; then
  buildah build --isolation chroot -t "$TAG" "${base[@]}" "$@" .
else
  "$ENGINE" build -t "$TAG" "${base[@]}" "$@" .
fi

run 10001:10001 emosense-batch label /samples -o /tmp/labels.csv
run 10001:10001 emosense-batch models verify
size=$(run 0:0 du -smx / | cut -f 1)
echo "$TAG: $size MB (limit: $limit_mb MB)"
[ "$size" -le "$limit_mb" ]
