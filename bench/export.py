"""What an export costs and gains: `python bench/export.py` exports MiniLM as ONNX in 32 and 8 bits and asks people's and the sample's questions.

Sizes, seconds of one core beside torch (median of pairs, by the processor's clock), MRR@10, and whether torch was imported. Static models: with the extra `static`.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from embedtune import EmbeddingQAFinetuneDataset, Search, load_model
from embedtune.embedding import encode
from embedtune.evaluation import evaluate
from embedtune.export import OnnxEmbedding, drift, export_onnx
from embedtune.samples import _bundled_model, sample_qa

ROUNDS, WINDOWS = 5, 64


def seconds(model, texts):
    """Seconds of the processor to embed the texts."""
    start = time.process_time()
    encode(model, texts)
    return time.process_time() - start


def speed(model, other, texts):
    """How many times as fast the other is: the median of pairs, the first one left out."""
    pairs = [seconds(model, texts)/seconds(other, texts) for _ in range(ROUNDS + 1)]
    return statistics.median(pairs[1:])


def megabytes(path):
    """Of a file."""
    return Path(path).stat().st_size/1e6


def imported(folder):
    """What of torch a new process imports that embeds with an export."""
    code = f'''import sys
from embedtune.export import OnnxEmbedding
OnnxEmbedding({str(folder)!r}).encode_query(["a bus"])
print([name for name in ("torch", "transformers", "sentence_transformers") if name in sys.modules])'''
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip()


def static():
    """The same model as a table of word vectors; None without the extra."""
    try: import skeletoken
    except ImportError: return None
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    words = StaticEmbedding.from_distillation(str(_bundled_model('embedding')), device='cpu')
    return SentenceTransformer(modules=[words], device='cpu')


def main():
    """Print a line for each way."""
    torch.set_num_threads(1)
    if hasattr(os, 'sched_setaffinity'): os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    model = load_model(bare=True, device='cpu')
    sets = dict(sample=EmbeddingQAFinetuneDataset.from_json(sample_qa()[1]))
    if os.environ.get('EMBEDTUNE_DATA'):
        stackfaq = Path(os.environ['EMBEDTUNE_DATA'])/'human'/'stackfaq.json'
        if stackfaq.is_file(): sets['StackFAQ'] = EmbeddingQAFinetuneDataset.from_json(stackfaq)
    texts = Search((128,)).retriever(model, sets['sample'].corpus).texts[:WINDOWS]
    whole = megabytes(_bundled_model('embedding')/'model.safetensors')
    with tempfile.TemporaryDirectory() as folder:
        for int8 in (False, True):
            path = export_onnx(model, Path(folder)/f'int8-{int8}', int8)
            exported = OnnxEmbedding(path, threads=1)
            print(f'\n{"int8" if int8 else "fp32"}: {megabytes(path/"model.onnx")/whole:.3f} of the size, '
                  f'{speed(model, exported, texts):.2f} times as fast as torch, imported: {imported(path)}', flush=True)
            for name, dataset in sets.items(): print(f'  {name}: {drift(model, exported, dataset)}', flush=True)
    if words := static():
        print(f'\nstatic: {speed(model, words, texts):.0f} times as fast')
        for name, dataset in sets.items():
            found = [evaluate(Search().retriever(each, dataset.corpus), dataset).mrr(10) for each in (model, words)]
            print(f'  {name}: mrr@10 {found[0]:.3f} → {found[1]:.3f}', flush=True)


if __name__ == '__main__': main()
