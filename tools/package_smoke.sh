#!/usr/bin/env bash
# Install a wheel into an empty environment and use it from there: tools/package_smoke.sh PYTHON WHEEL
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$1 wheel=$(realpath "$2") scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "The wheel holds the modules and the sample of this checkout:"
cd "$root"
diff <(ls embedtune/*.py embedtune/*.pyi embedtune/py.typed data/sample/* | sed 's|^data/|embedtune/|' | sort) \
     <("$python" -m zipfile -l "$wheel" | awk '/^embedtune\// { print $1 }' | sort)
echo "yes"

"$python" -m venv "$scratch/venv"
PIP_CONSTRAINT=constraints.txt "$scratch/venv/bin/pip" install --quiet "$wheel"
cd "$scratch"  # away from the checkout, so that only the wheel can be found
PATH="$scratch/venv/bin:$PATH"
read -r train val < <(python -c 'from embedtune.documents import sample_documents; print(*sample_documents())')
embedtune --help
embedtune run --train "$train" --val "$val" --questions 10 --out out
test -s out/run.json
