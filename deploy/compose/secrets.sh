#!/bin/sh
# Makes the secrets of compose.yaml, where they are missing, readable by the image's user and nobody else.
set -eu
umask 077
cd "$(dirname "$0")"
user="${CRYPTLET_USER:-10001:10001}"

random() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

mkdir -p secrets
cd secrets
[ -s ray-token ] || random > ray-token
[ -s store-password ] || random > store-password
[ -s store-passfile ] || printf '*:*:fabric:fabric:%s\n' "$(cat store-password)" > store-passfile
# A bind-mounted secret keeps its owner and mode: libpq and Ray's nodes refuse one that others may read.
[ "$(id -u)" -ne 0 ] || chown "$user" ray-token store-passfile
