"""Does a model that is saved here load in other versions of sentence-transformers, with the same vectors? `python bench/versions.py [VERSION …]` prints one table.

The models are those of `tools/zoo.py`, with their layouts and tiny random weights, saved by the finetune engine's `_save_model`. Each version is
fetched by pip into runs/versions, without its dependencies: the rest of the environment stays as it is.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path('runs/versions')
TEXTS = ['The lighthouse keeper climbs two hundred steps.', 'Who lights the lamp?']
LOADS = """
import json, sys
import numpy as np
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device='cpu')
print(json.dumps(model.encode(json.loads(sys.argv[2])).astype(float).tolist()))
"""


def fetched(version):
    """The folder that holds a version of sentence-transformers alone."""
    folder = FOLDER/version
    if not folder.is_dir():
        command = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--target', folder, f'sentence-transformers=={version}']
        subprocess.run(command, check=True)
    return folder


def outcome(version, model, vectors):
    """The largest difference of the vectors, or the error."""
    import numpy as np
    env = os.environ | dict(PYTHONPATH=str(fetched(version).resolve()), HF_HUB_OFFLINE='1')
    done = subprocess.run([sys.executable, '-c', LOADS, str(model), json.dumps(TEXTS)], env=env, capture_output=True, text=True)
    if done.returncode: return done.stderr.strip().splitlines()[-1][:100]
    return f'{np.abs(np.array(json.loads(done.stdout.splitlines()[-1])) - vectors).max():.0e}'


def main():
    """Print the table."""
    import pandas as pd
    from embedtune import load_model
    from embedtune.core import EmbedtuneError
    from embedtune.evaluation import to_markdown
    from embedtune.saving import _save_model
    sys.path.insert(0, str(ROOT/'tools'))
    import zoo
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('versions', nargs='*', default=['5.1.2', '5.3.0', '5.7.0'])
    parser.add_argument('--only', help='some of the models, with commas between')
    options = parser.parse_args()
    rows = {}
    for name in options.only.split(',') if options.only else zoo.ZOO:
        with tempfile.TemporaryDirectory() as folder:
            try: model = load_model(zoo.build(name, Path(folder)/name), device='cpu', bare=True).float()
            except EmbedtuneError: continue  # no dense model, or code of its own
            _save_model(model, Path(folder)/'saved', dict(base=name))
            vectors = model.encode(TEXTS)
            rows[name] = {version: outcome(version, Path(folder)/'saved', vectors) for version in options.versions}
            print(name, rows[name], file=sys.stderr, flush=True)
    print(to_markdown(pd.DataFrame(rows).T.rename_axis('model')))


if __name__ == '__main__': main()
