"""Training on a GPU, measured: sentences and tokens a second, and the share of the rate that its matrix products reach.

`python bench/gpu.py` (or `make test-gpu`) prints one table with the card's name: MiniLM, an encoder of 150 million parameters (ModernBERT's
layout) and a decoder of 0.6 billion (Qwen3's), the latter two with random weights, each tuned whole and by LoRA. Nothing is fetched.
`--device cpu --quick` shows on any machine that it runs, with models of a few layers.
"""
import argparse
import sys
import tempfile
import time
from pathlib import Path

KINDS = {'MiniLM': None,
         'encoder': dict(family='modernbert', settings=dict(vocab_size=30522, pad_token_id=0, cls_token_id=101, sep_token_id=102, bos_token_id=101, eos_token_id=102)),
         'decoder': dict(family='qwen3', settings=dict(vocab_size=151_936, hidden_size=1024, num_hidden_layers=28, intermediate_size=3072,
                                                       num_attention_heads=16, num_key_value_heads=8, head_dim=128, pad_token_id=0, bos_token_id=101, eos_token_id=102))}


def random_model(folder, family, settings, quick):
    """The folder of a sentence-transformers model with random weights and MiniLM's tokenizer."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoConfig, AutoModel
    from embedtune import load_model
    few = dict(num_hidden_layers=3) if quick else {}
    AutoModel.from_config(AutoConfig.for_model(family, **settings | few)).save_pretrained(folder/'transformer')
    load_model(bare=True).tokenizer.save_pretrained(folder/'transformer')
    transformer = Transformer(str(folder/'transformer'), max_seq_length=256)
    size = transformer.auto_model.config.hidden_size
    SentenceTransformer(modules=[transformer, Pooling(size, 'lasttoken' if family == 'qwen3' else 'mean')]).save_pretrained(str(folder/'model'))
    return folder/'model'


def questions(n):
    """A dataset of `n` texts of about 128 tokens, each with a question made of its words."""
    import random
    from embedtune import EmbeddingQAFinetuneDataset, load_documents, sample_documents
    words = load_documents(sample_documents()[0], show_progress=False)[0].text.split()
    rng = random.Random(0)
    texts = [rng.choices(words, k=90) for _ in range(n)]
    corpus = {f'n{i}': ' '.join(text) for i, text in enumerate(texts)}
    queries = {f'q{i}': ' '.join(rng.sample(text, 12)) for i, text in enumerate(texts)}
    return EmbeddingQAFinetuneDataset(queries, corpus, {f'q{i}': [f'n{i}'] for i in range(n)}, written_by='model')


def matrix_rate(device):
    """Floating-point operations a second of a large matrix product in bfloat16."""
    import torch
    n = 8192 if torch.device(device).type == 'cuda' else 1024
    a = torch.randn(n, n, dtype=torch.bfloat16, device=device)
    def seconds():
        start = time.perf_counter()
        (a @ a)[0, 0].item()
        return time.perf_counter() - start
    return 2*n**3/min(seconds() for _ in range(10))


class Clock:
    """A trainer callback that notes when each step ends."""
    def __init__(self): self.ends = []
    def __getattr__(self, name): return lambda *args, **kwargs: None
    def on_step_end(self, *args, **kwargs): self.ends.append(time.perf_counter())


def measured(model, dataset, device, lora, batch_size):
    """Sentences, tokens and floating-point operations a second in training, the first three steps left out, and the peak of memory."""
    import torch
    from embedtune import SentenceTransformersFinetuneEngine
    from embedtune.nodes import token_lengths
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        settings = dict(lora=lora, frozen_layers=0, hybrid=False, epochs=1, batch_size=batch_size, alpha=1.)
        engine = SentenceTransformersFinetuneEngine(dataset, model, Path(folder)/'out', device=device, callbacks=[clock], show_progress_bar=False, **settings)
        learner = engine._learning_model()
        engine.finetune()
    seconds = (clock.ends[-1] - clock.ends[2])/(len(clock.ends) - 3)
    texts = [*dataset.queries.values(), *dataset.corpus.values()]
    tokens = token_lengths(texts, learner.tokenizer).clip(max=126).mean() + 2
    weights = sum(p.numel() for name, p in learner.named_parameters() if 'embed' not in name)
    peak = torch.cuda.max_memory_allocated()/1e9 if torch.device(device).type == 'cuda' else float('nan')
    a_second = 2*batch_size/seconds
    passes = 4 if lora else 6  # a frozen weight takes no gradient of its own: 2 forward, 2 back
    return dict(sentences=a_second, tokens=a_second*tokens, operations=passes*weights*tokens*a_second, peak=peak)


def main():
    """Print the table."""
    import pandas as pd
    import torch
    from embedtune import load_model
    from embedtune.embedding import DEFAULT_MODEL
    from embedtune.evaluation import to_markdown
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--quick', action='store_true', help='few layers, few questions')
    options = parser.parse_args()
    if options.device.startswith('cuda') and not torch.cuda.is_available(): sys.exit('gpu.py: torch sees no GPU here; --device cpu --quick runs anywhere')
    n, batch = (48, 8) if options.quick else (2048, 64)
    dataset, rate, rows = questions(n), matrix_rate(options.device), []
    for kind, made in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            model = random_model(Path(folder), **made, quick=options.quick) if made else DEFAULT_MODEL
            for way, lora in (('whole', None), ('LoRA', 16)):
                found = measured(model, dataset, options.device, lora, batch)
                rows.append([kind, way, f"{found['sentences']:,.0f}", f"{found['tokens']:,.0f}", f"{found['operations']/rate:.0%}", f"{found['peak']:.1f}"])
    card = torch.cuda.get_device_name() if options.device.startswith('cuda') else 'processor'
    print(f'{card}: {rate/1e12:.1f} TFLOP/s in bfloat16 products\n')
    print(to_markdown(pd.DataFrame(rows, columns=['model', 'tuned', 'sentences/s', 'tokens/s', 'share of the rate', 'peak GB']).set_index('model')))


if __name__ == '__main__': main()
