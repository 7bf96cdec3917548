"""Number types and memory of weights: `python bench/weights.py`. Prints one table.

The bundled model is saved in 32, 16 and bfloat 16 bits, tuned alike on one half of the training side's questions and asked those of the other half. Then a model
of 200 million random weights is tuned whole, and the most memory that its process ever held is counted in copies of the weights.
"""
import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

TYPES = ('float32', 'float16', 'bfloat16')


def halves(n):
    """The first `n` questions of two halves of the training side, each over its own nodes."""
    from embedtune.dataset import EmbeddingQAFinetuneDataset
    from embedtune.samples import first_available, published_qa, sample_qa
    dataset = EmbeddingQAFinetuneDataset.from_json(first_available(published_qa, sample_qa)[0])
    nodes = list(dataset.corpus)
    for side in (nodes[::2], nodes[1::2]):
        asked = [query for query, ids in dataset.relevant_docs.items() if ids[0] in set(side)][:n]
        yield dataset.only(queries=asked, nodes={node for query in asked for node in dataset.relevant_docs[query]})


def tuned_mrr(dtype, n):
    """MRR@10 before and after tuning a copy of the bundled model that was saved in this number type."""
    import torch
    from embedtune import SentenceTransformersFinetuneEngine, evaluate, load_model
    learn, held_out = halves(n)
    with tempfile.TemporaryDirectory() as folder:
        load_model(bare=True).to(getattr(torch, dtype)).save(f'{folder}/base', create_model_card=False)
        engine = SentenceTransformersFinetuneEngine(
            learn, f'{folder}/base', f'{folder}/tuned', alpha=1., hybrid=False, device='cpu', bf16=False, show_progress_bar=False)
        engine.finetune()
        models = [load_model(f'{folder}/base', 'cpu', bf16=False), engine.get_finetuned_model()]
        return [evaluate(model, held_out).mrr(10) for model in models]


def peak_copies():
    """Runs in a process of its own: the most memory in tuning, less that before, in copies of the weights."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel
    from embedtune import EmbeddingQAFinetuneDataset, SentenceTransformersFinetuneEngine, load_model
    texts = [f'The boat of pier {i} leaves at {i % 24} and carries {17*i} boxes.' for i in range(64)]
    dataset = EmbeddingQAFinetuneDataset(
        {f'q{i}': f'When does the boat of pier {i} leave?' for i in range(64)}, {f'n{i}': text for i, text in enumerate(texts)},
        {f'q{i}': [f'n{i}'] for i in range(64)}, written_by='model')
    with tempfile.TemporaryDirectory() as folder:
        config = BertConfig(vocab_size=220_000, hidden_size=768, num_hidden_layers=4, num_attention_heads=12, intermediate_size=3072)
        bert = BertModel(config, add_pooling_layer=False)
        weights = sum(4*weight.numel() for weight in bert.parameters())
        bert.save_pretrained(f'{folder}/bert')
        load_model(bare=True).tokenizer.save_pretrained(f'{folder}/bert')
        transformer = Transformer(f'{folder}/bert', max_seq_length=64)
        SentenceTransformer(modules=[transformer, Pooling(768, 'mean')]).save(f'{folder}/model', create_model_card=False)
        del bert, transformer
        child = [sys.executable, __file__, '--tune', f'{folder}/model']
        dataset.save_json(f'{folder}/model/questions.json')
        said = json.loads(subprocess.run(child, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    return weights, (said['peak'] - said['before'])/weights


def tune(folder):
    """Tune the model of a folder whole, and print the memory of this process before and at most, in bytes."""
    import psutil, sentence_transformers, accelerate, datasets  # what is only code does not count
    from embedtune import EmbeddingQAFinetuneDataset, SentenceTransformersFinetuneEngine
    dataset = EmbeddingQAFinetuneDataset.from_json(f'{folder}/questions.json')
    before = psutil.Process().memory_info().rss
    SentenceTransformersFinetuneEngine(
        dataset, folder, f'{folder}/tuned', frozen_layers=0, hybrid=False, epochs=2, batch_size=16, max_tokens=256, alpha=.5, device='cpu', bf16=False,
        show_progress_bar=False).finetune()
    print(json.dumps(dict(before=before, peak=1024*resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)))


def main():
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--questions', type=int, default=200, help='of each half')
    parser.add_argument('--only', choices=('types', 'memory'))
    parser.add_argument('--tune', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.tune: return tune(options.tune)
    rows = []
    if options.only != 'types':
        weights, copies = peak_copies()
        rows.append((f'peak, whole model of {weights/4e6:,.0f} million weights', f'{copies:.2f} copies of them', '≤ 4.5'))
    if options.only != 'memory':
        found = {dtype: tuned_mrr(dtype, options.questions) for dtype in TYPES}
        rows += [(f'{dtype}: MRR@10', f'{base:.3f} → {tuned:.3f}', '') for dtype, (base, tuned) in found.items()]
        after = [tuned for _, tuned in found.values()]
        rows.append(('tuned from three number types', f'{max(after) - min(after):.4f} apart', '≤ .01'))
    print('| what | measured | goal |', '|---|---|---|', *(f'| {" | ".join(row)} |' for row in rows), sep='\n')


if __name__ == '__main__': main()
