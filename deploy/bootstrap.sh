#!/bin/sh
# Makes .venv from nothing but a Python: a pinned uv first, then everything of requirements.lock.
# Run again it only brings .venv up to the locks. Why no uv.lock: docs/adr/0001-lock-without-hosts.md.
set -eu
cd "$(dirname "$0")/.."

wanted="3.11, 3.12 or 3.13"

usable() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

find_python() {
    # A name that exists may still not run (a version manager's shim), so each candidate is run.
    for name in ${PYTHON:-} python3.11 python3.12 python3.13 python3 python; do
        if usable "$name"; then
            echo "$name"
            return
        fi
    done
    echo "cryptlet-fabric needs Python $wanted; none of python3.11, python3.12, python3.13," \
        "python3 and python is one: install it, or name it with PYTHON=..." >&2
    return 1
}

if ! usable .venv/bin/python || [ ! -x .venv/bin/uv ]; then
    python=$(find_python)
    # Also mends an environment whose making was interrupted.
    "$python" -m venv --clear .venv || {
        echo "$python has no working venv module: install it (on Debian the package" \
            "python3-venv), or name another Python with PYTHON=..." >&2
        exit 1
    }
    .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r bootstrap.lock
fi

.venv/bin/uv pip sync --quiet --python .venv/bin/python --require-hashes \
    requirements.lock bootstrap.lock
# The project itself: editable, and built by the hatchling that the lock has just installed.
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .
