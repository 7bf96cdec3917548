"""Every kind of embedding model in small, and a table of what the package can do with each.

    python tools/zoo.py list                        # the models and what they stand for
    python tools/zoo.py build FOLDER                # writes them all, a few hundred KB each
    python tools/zoo.py table [--only NAME,…] [--operations evaluate,finetune,fast,lora,adapter,tower] [--out bench/models.json]

Each folder has the module layout, configuration, prompts, number type and padding side of a real repository, with
random weights of a few thousand numbers and a tokenizer trained here. Nothing is downloaded.
"""
import argparse, inspect, io, json, multiprocessing, os, shutil, sys, tempfile, time
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

# ---------------------------------------------------------------------------------------------------- texts
TEXTS = [
    'The lighthouse keeper climbs two hundred steps every evening and lights the lamp before the fog comes in.',
    'Revenue rose by twelve percent to 4.1 billion dollars, mostly because more riders took longer trips.',
    'A sourdough starter wants flour, water and patience. Feed it twice a day, keep it warm, and throw half of it '
    'away before each meal; after a week it doubles within four hours and the bread may be baked at last.',
    'Bees dance to tell where flowers are.',
    'The contract may be ended by either party with notice of three months, unless a payment is overdue.',
    'Glaciers carry stones over long distances. When the ice melts, it leaves them behind in ridges that are called '
    'moraines, and from their shape and their kind of rock one reads how far and from where the ice once came, how '
    'thick it was, how fast it moved, and when it went away for good, which was about twelve thousand years ago.',
    'The printer shows error 41 when the paper is damp.',
    'Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.',
    'The orchestra tunes to the oboe, whose pitch hardly changes with warmth.',
    'Employees abroad need a visa, a health insurance and the written consent of their head of department.',
    'A bicycle chain that squeaks should be cleaned with a rag and oiled one link at a time.',
    'The moon pulls the sea towards it, and the tides follow twice a day.']
QUESTIONS = [('Who lights the lamp?', 0), ('How much did revenue rise?', 1), ('What does a starter need?', 2),
             ('Why do bees dance?', 3), ('How can the contract be ended?', 4), ('What are moraines?', 5),
             ('What does error 41 mean?', 6), ('What makes the tides?', 11)]
SEED = 0

# ----------------------------------------------------------------------------------------------- tokenizers
_SPECIAL = dict(
    wordpiece=dict(pad_token='[PAD]', unk_token='[UNK]', cls_token='[CLS]', sep_token='[SEP]', mask_token='[MASK]'),
    roberta=dict(bos_token='<s>', pad_token='<pad>', eos_token='</s>', unk_token='<unk>', cls_token='<s>',
                 sep_token='</s>', mask_token='<mask>'),
    t5=dict(pad_token='<pad>', eos_token='</s>', unk_token='<unk>'),
    qwen=dict(pad_token='<|endoftext|>', eos_token='<|im_end|>'),
    gemma=dict(pad_token='<pad>', eos_token='<eos>', bos_token='<bos>', unk_token='<unk>'),
    clip=dict(bos_token='<|startoftext|>', eos_token='<|endoftext|>', unk_token='<|endoftext|>', pad_token='<|endoftext|>'),
    nopad=dict(eos_token='<|im_end|>', unk_token='<|endoftext|>'))
_FRAME = dict(wordpiece='[CLS] $A [SEP]', roberta='<s> $A </s>', t5='$A </s>', qwen='$A <|endoftext|>',
              gemma='<bos> $A <eos>', clip='<|startoftext|> $A <|endoftext|>', nopad='$A <|im_end|>')


def engine(kind):
    "A tokenizer of the `tokenizers` library, trained on the texts."
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    special = list(dict.fromkeys(_SPECIAL[kind].values()))
    texts = [*TEXTS, *(text for text, _ in QUESTIONS)]
    if kind == 'wordpiece':
        tokenizer = Tokenizer(models.WordPiece(unk_token='[UNK]'))
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    elif kind in ('roberta', 't5', 'gemma'):
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token='<unk>', show_progress=False)
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        if kind == 'clip': tokenizer.normalizer = normalizers.Lowercase()
        trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=special, show_progress=False,
                                      initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(texts, trainer)
    names = [(name, tokenizer.token_to_id(name)) for name in special]
    tokenizer.post_processor = processors.TemplateProcessing(single=_FRAME[kind], special_tokens=names)
    return tokenizer


def tokenizer_of(kind, max_length, side='right'):
    "The tokenizer as transformers has it."
    from transformers import PreTrainedTokenizerFast
    return PreTrainedTokenizerFast(tokenizer_object=engine(kind), model_max_length=max_length, padding_side=side,
                                   **_SPECIAL[kind])


# ------------------------------------------------------------------------------------------------- builders
SMALL = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64)


def spread(model):
    "The model with weights that are wide enough for vectors to differ from each other."
    import torch
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2: weight.mul_(4)
    return model


def transformer(folder, kind, make, max_length=128, side='right', dtype='float32', **options):
    "A `Transformer` module whose files are in `folder`; `make` gets the number of tokens and the tokenizer."
    import torch
    from sentence_transformers.sentence_transformer.modules import Transformer
    torch.manual_seed(SEED)
    tokenizer = tokenizer_of(kind, max_length, side)
    model = spread(make(len(tokenizer), tokenizer)).to(getattr(torch, dtype))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Transformer(str(folder), max_seq_length=max_length, **options)


def model_of(kind, config, model=None, **fixed):
    "A function that makes a transformers model with `config`, whose special tokens are the tokenizer's."
    def make(n_tokens, tokenizer):
        import transformers
        ids = {name: getattr(tokenizer, name) for name in ('pad_token_id', 'bos_token_id', 'eos_token_id')}
        if kind == 'clip': ids = {name: value for name, value in ids.items() if value is not None}
        made = getattr(transformers, config)(vocab_size=n_tokens, **{**SMALL, **ids, **fixed})
        return getattr(transformers, model or config.replace('Config', 'Model'))(made)
    return make


def compose(folder, first, *heads, dtype='float32', **options):
    "Writes the model of these modules."
    import torch
    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer(modules=[first, *heads], device='cpu', **options)
    model.to(getattr(torch, dtype)).save_pretrained(str(folder), create_model_card=False)


def add_to_config(folder, **more):
    "Puts keys into the folder's config_sentence_transformers.json, as some repositories have them."
    path = Path(folder)/'config_sentence_transformers.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | more, indent=2))


def pooling(mode='mean', dim=32, **options):
    "A `Pooling` module."
    from sentence_transformers.sentence_transformer.modules import Pooling
    return Pooling(dim, mode, **options)


def dense(size, out, bias=False, activation=True):
    "A `Dense` module."
    import torch
    from sentence_transformers.sentence_transformer.modules import Dense
    torch.manual_seed(SEED + size + out)
    return Dense(size, out, bias=bias, activation_function=torch.nn.Tanh() if activation else torch.nn.Identity())


def normal():
    "A `Normalize` module."
    from sentence_transformers.sentence_transformer.modules import Normalize
    return Normalize()


ZOO = {}


def animal(name, like, refused=False):
    "Registers a function of a folder: `like` names the real model, `refused` says that it is none to tune as it is."
    def register(build):
        ZOO[name] = build
        build.like, build.refused = like, refused
        return build
    return register


def plain(name, like, kind, config, *, model=None, max_length=128, side='right', dtype='float32', mode='mean',
          heads=lambda: (), options=None, pool=None, transformer_options=None, **fixed):
    "Registers a transformer with pooling and, perhaps, heads."
    @animal(name, like)
    def build(folder):
        with tempfile.TemporaryDirectory() as base:
            make = model_of(kind, config, model, **fixed)
            first = transformer(base, kind, make, max_length, side, dtype, **transformer_options or {})
            compose(folder, first, pooling(mode, **pool or {}), *heads(), dtype=dtype, **options or {})


_QUERY = 'Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:'
_ROPE = dict(rope_theta=1e6, rope_type='default')
plain('bert', 'all-MiniLM-L6-v2', 'wordpiece', 'BertConfig', heads=lambda: (normal(),))
plain('bert-cls', 'bge-small-en-v1.5', 'wordpiece', 'BertConfig', mode='cls', heads=lambda: (normal(),),
      options=dict(prompts={'query': 'Represent this sentence for searching relevant passages: '}))
plain('xlm-r', 'multilingual-e5-small, bge-m3', 'roberta', 'XLMRobertaConfig', heads=lambda: (normal(),),
      max_position_embeddings=140, options=dict(prompts=dict(query='query: ', document='passage: ')))
plain('mpnet', 'all-mpnet-base-v2', 'roberta', 'MPNetConfig', heads=lambda: (normal(),), max_position_embeddings=140)
plain('albert', 'paraphrase-albert-small-v2', 'wordpiece', 'AlbertConfig', embedding_size=16)
plain('distilbert', 'msmarco-distilbert-base-v4', 'wordpiece', 'DistilBertConfig', dim=32, n_layers=3, n_heads=2,
      hidden_dim=64)
plain('deberta', 'mdeberta-v3-base', 'wordpiece', 'DebertaV2Config', relative_attention=True, position_buckets=16,
      pos_att_type=['p2c', 'c2p'], max_relative_positions=-1, position_biased_input=False)
plain('electra', 'electra-small sentence models', 'wordpiece', 'ElectraConfig', embedding_size=16)
for _dtype, _name in (('bfloat16', 'qwen3-bf16'), ('float32', 'qwen3-fp32')):
    plain(_name, f'Qwen3-Embedding-0.6B ({_dtype})', 'qwen', 'Qwen3Config', max_length=32_768, side='left', dtype=_dtype,
          mode='lasttoken', heads=lambda: (normal(),), options=dict(prompts=dict(query=_QUERY, document='')),
          num_key_value_heads=1, head_dim=16, max_position_embeddings=32_768, rope_parameters=_ROPE)
plain('embeddinggemma', 'embeddinggemma-300m', 'gemma', 'Gemma3TextConfig', max_length=2048,
      heads=lambda: (dense(32, 64, activation=False), dense(64, 32, activation=False), normal()),
      options=dict(prompts=dict(query='task: search result | query: ', document='title: none | text: ')),
      num_key_value_heads=1, head_dim=16, sliding_window=16, use_bidirectional_attention=True,
      layer_types=['sliding_attention', 'sliding_attention', 'full_attention'])
plain('nomic-bert', 'nomic-embed-text-v1.5 (read by transformers)', 'wordpiece', 'NomicBertConfig', max_length=8192,
      options=dict(prompts=dict(query='search_query: ', document='search_document: ')), max_position_embeddings=8192)
plain('gte', 'gte-multilingual-base (read by transformers)', 'roberta', 'GteConfig', max_length=8192, mode='cls',
      heads=lambda: (normal(),), max_position_embeddings=8192)
plain('jina-v3', 'jina-embeddings-v3 (read by transformers)', 'roberta', 'JinaEmbeddingsV3Config', max_length=8192,
      heads=lambda: (normal(),), max_position_embeddings=8194)
plain('modernbert', 'gte-modernbert-base, modernbert-embed', 'wordpiece', 'ModernBertConfig', max_length=8192, mode='cls',
      max_position_embeddings=8192, local_attention=8, global_attn_every_n_layers=3, cls_token_id=2, sep_token_id=3)
plain('fp16', 'mxbai-embed-large-v1 (float16)', 'wordpiece', 'BertConfig', dtype='float16', mode='cls',
      options=dict(prompts=dict(query='Represent this sentence for searching relevant passages: ', passage='')))
plain('gtr-t5', 'gtr-t5-base', 't5', 'T5Config', model='T5EncoderModel', heads=lambda: (dense(32, 24, activation=False), normal()),
      d_model=32, d_kv=16, d_ff=64, num_layers=3, num_heads=2)
plain('sentence-t5', 'sentence-t5-base', 't5', 'T5Config', model='T5EncoderModel', heads=lambda: (dense(32, 32), normal()),
      d_model=32, d_kv=16, d_ff=64, num_layers=3, num_heads=2)
# variants of one kind each
plain('window-8k', 'jina-embeddings-v2, 8,192 tokens', 'wordpiece', 'BertConfig', max_length=8192, max_position_embeddings=8192)
plain('prompt-passage', 'e5 with prompts query and passage', 'wordpiece', 'BertConfig',
      options=dict(prompts=dict(query='query: ', passage='passage: ')))
plain('prompt-web-search', 'gte-Qwen2, SFR: web_search_query', 'wordpiece', 'BertConfig',
      options=dict(prompts=dict(web_search_query=_QUERY, sts_query='Instruct: Retrieve similar text\nQuery:')))
plain('prompt-default', 'a default_prompt_name', 'wordpiece', 'BertConfig',
      options=dict(prompts=dict(retrieval='for retrieval: '), default_prompt_name='retrieval'))
plain('prompt-excluded', 'instructor: the prompt is not pooled', 'wordpiece', 'BertConfig', pool=dict(include_prompt=False),
      options=dict(prompts=dict(query='find the answer: ', document='read: ')))
plain('dense-head', 'distiluse: Dense after pooling', 'wordpiece', 'BertConfig', heads=lambda: (dense(32, 16, bias=True),))
plain('dot', 'multi-qa-mpnet-base-dot-v1', 'wordpiece', 'BertConfig', mode='cls', options=dict(similarity_fn_name='dot'))
plain('left-padding', 'e5-mistral-7b-instruct', 'qwen', 'MistralConfig', side='left', mode='lasttoken', dtype='float32',
      heads=lambda: (normal(),), num_key_value_heads=1, sliding_window=None)
plain('no-pad-token', 'a decoder without a pad token', 'nopad', 'LlamaConfig', mode='lasttoken', num_key_value_heads=1)
plain('max-mean', 'two kinds of pooling', 'wordpiece', 'BertConfig', mode=('mean', 'max'))


@animal('truncate-dim', 'a Matryoshka model cut to 16 numbers')
def truncated(folder):
    ZOO['bert'](folder)
    add_to_config(folder, truncate_dim=16)


@animal('no-pooler', 'a repository without the pooler weights')
def no_pooler(folder):
    from safetensors.torch import load_file, save_file
    ZOO['bert'](folder)
    path = Path(folder)/'model.safetensors'
    save_file({name: weight for name, weight in load_file(path).items() if 'pooler' not in name}, path, {'format': 'pt'})


@animal('no-modules', 'a bare transformers folder, pooled by its mean')
def bare(folder):
    transformer(folder, 'wordpiece', model_of('wordpiece', 'BertConfig'))


@animal('clip', 'clip-ViT-B-32-multilingual, the text side')
def clip(folder):
    with tempfile.TemporaryDirectory() as base:
        make = model_of('clip', 'CLIPTextConfig', max_position_embeddings=77, projection_dim=32)
        first = transformer(base, 'clip', make, max_length=77)
        compose(folder, first, pooling('mean'))


_CODE = '''"""A model of its own: rotary BERT in a few lines, as repositories with custom code have them."""
import torch
from transformers import BertConfig, BertModel


class ZooConfig(BertConfig):
    model_type = 'zoo_bert'


class ZooModel(BertModel):
    config_class = ZooConfig
'''


@animal('custom-code', 'nomic-embed-text-v1.5, gte, jina with their own code')
def custom(folder):
    ZOO['bert'](folder)
    (Path(folder)/'modeling_zoo.py').write_text(_CODE)
    path = Path(folder)/'config.json'
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | dict(model_type='zoo_bert', architectures=['ZooModel'], auto_map=dict(
        AutoConfig='modeling_zoo.ZooConfig', AutoModel='modeling_zoo.ZooModel')), indent=2))


@animal('static', 'static-retrieval-mrl-en-v1')
def static(folder):
    import torch
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    torch.manual_seed(SEED)
    compose(folder, StaticEmbedding(engine('wordpiece'), embedding_dim=32))


@animal('model2vec', 'potion-base-8M')
def model2vec(folder):
    import torch
    from safetensors.torch import save_file
    folder, tokens = Path(folder), engine('wordpiece')
    torch.manual_seed(SEED)
    compose(folder, *_static_and_norm(tokens))
    for weights in folder.rglob('model.safetensors'):
        save_file({'embeddings': torch.randn(tokens.get_vocab_size(), 32)}, weights)


def _static_and_norm(tokens):
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    return StaticEmbedding(tokens, embedding_dim=32), normal()


def _router(folder, query_modules):
    from sentence_transformers.sentence_transformer.modules import Router
    with tempfile.TemporaryDirectory() as base:
        make = model_of('wordpiece', 'BertConfig')
        both = query_modules(base, make), [transformer(Path(base)/'document', 'wordpiece', make), pooling()]
        compose(folder, Router.for_query_document(*both), normal())


@animal('router', 'two encoders, one for questions')
def router(folder):
    _router(folder, lambda base, make: [transformer(Path(base)/'query', 'wordpiece', make), pooling('cls')])


@animal('router-static', 'a static side for questions, a transformer for documents')
def router_static(folder):
    _router(folder, lambda base, make: [_static_and_norm(engine('wordpiece'))[0]])


@animal('peft', 'an adapter over a base model (peft)')
def peft(folder):
    import torch
    from peft import LoraConfig
    from sentence_transformers import SentenceTransformer
    folder = Path(folder)
    ZOO['bert'](folder/'base')
    model = SentenceTransformer(str(folder/'base'), device='cpu')
    torch.manual_seed(SEED)
    model.add_adapter(LoraConfig(r=4, target_modules=['query', 'value'], task_type='FEATURE_EXTRACTION', init_lora_weights=False))
    model.save_pretrained(str(folder), create_model_card=False)


@animal('splade', 'splade-cocondenser, opensearch-neural-sparse', refused=True)
def splade(folder):
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SpladePooling
    with tempfile.TemporaryDirectory() as base:
        make = model_of('wordpiece', 'BertConfig', 'BertForMaskedLM')
        first = transformer(base, 'wordpiece', make, transformer_task='fill-mask')
        model = SparseEncoder(modules=[first, SpladePooling('max')], device='cpu')
        model.save_pretrained(str(folder), create_model_card=False)


@animal('multi-vector', 'colbertv2, GTE-ModernColBERT', refused=True)
def multi_vector(folder):
    from sentence_transformers import MultiVectorEncoder
    with tempfile.TemporaryDirectory() as base:
        transformer(base, 'wordpiece', model_of('wordpiece', 'BertConfig'))
        model = MultiVectorEncoder(base, device='cpu')
        model.save_pretrained(str(folder), create_model_card=False)


@animal('cross-encoder', 'ms-marco-MiniLM-L6-v2', refused=True)
def cross_encoder(folder):
    from sentence_transformers import CrossEncoder
    with tempfile.TemporaryDirectory() as base:
        transformer(base, 'wordpiece', model_of('wordpiece', 'BertConfig', 'BertForSequenceClassification', num_labels=1))
        CrossEncoder(base, device='cpu').save_pretrained(str(folder), create_model_card=False)


def build(name, folder):
    "Writes the model of that name to `folder`."
    import transformers
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ZOO[name](folder)
    return folder


# ----------------------------------------------------------------------------------------------- operations
class Wrong(Exception): "What ran through and is not right."


def dataset():
    "The texts and questions as the package takes them."
    from embedtune import EmbeddingQAFinetuneDataset
    corpus = {f'n{i}': text for i, text in enumerate(TEXTS)}
    queries = {f'q{i}': text for i, (text, _) in enumerate(QUESTIONS)}
    return EmbeddingQAFinetuneDataset(queries, corpus, {f'q{i}': [f'n{n}'] for i, (_, n) in enumerate(QUESTIONS)})


def vectors(model):
    "The unit vectors of the questions and of the texts, one below the other."
    import numpy as np
    from embedtune.embedding import encode
    return np.concatenate([encode(model, [text for text, _ in QUESTIONS], 'query'), encode(model, TEXTS, 'document')])


def gap(some, others):
    "The largest difference between two sets of vectors."
    return float(abs(some - others).max())


def _trusting(function):
    "Leave to run a folder's own code, where the function can be given it."
    return dict(trust_remote_code=True) if 'trust_remote_code' in inspect.signature(function).parameters else {}


def load(folder):
    "The model, as the package loads it."
    from embedtune import load_model
    return load_model(folder, device='cpu', **_trusting(load_model))


def truth(folder):
    "The vectors in float32, from sentence-transformers alone; None where it takes the folder for another kind of model."
    import numpy as np, torch
    from sentence_transformers import SentenceTransformer
    options = dict(device='cpu', trust_remote_code=True)
    model = SentenceTransformer(str(folder), **options).float()
    tokenizer = model.tokenizer
    if getattr(tokenizer, 'pad_token', '') is None: tokenizer.pad_token = tokenizer.eos_token  # a text alone is not padded, but the library asks
    options = dict(normalize_embeddings=True, batch_size=1)
    asking, telling = prompts_of(model)
    asked = model.encode_query([text for text, _ in QUESTIONS], prompt=asking, **options)
    return np.concatenate([asked, model.encode_document(TEXTS, prompt=telling, **options)])


def try_evaluate(name, folder, out, bf16):
    "Loads the model twice, compares it with sentence-transformers, and evaluates it."
    from embedtune import evaluate
    from embedtune.embedding import fingerprint
    from embedtune.precision import half_precision
    model = load(folder)
    half = half_precision(model, bf16)
    found = vectors(half)
    if not ZOO[name].refused:
        cosines = (found*truth(folder)).sum(axis=1)
        if cosines.min() < (.97 if bf16 or 'fp16' in name or 'bf16' in name else .9999):
            raise Wrong(f'vectors differ from sentence-transformers: cosine {cosines.min():.3f}')
    if fingerprint(model) != fingerprint(load(folder)): raise Wrong('another fingerprint each time it is loaded')
    evaluate(half, dataset())


def try_finetune(name, folder, out, bf16, **settings):
    "Tunes the model, and compares what is in memory with what was written."
    from accelerate.utils import extract_model_from_parallel
    from embedtune import SentenceTransformersFinetuneEngine as Engine
    from transformers import TrainerCallback
    seen = {}
    class Look(TrainerCallback):
        def on_step_end(self, args, state, control, model=None, **kwargs):
            learning = [p for p in model.parameters() if p.requires_grad]
            seen.update(model=model, prompts=(args.prompts.get('anchor') or '', args.prompts.get('positive') or ''), types={str(p.dtype) for p in learning},
                        frozen=sum(not p.requires_grad for p in model.parameters()))
    before = vectors(load(folder))
    base = dict(batch_size=4, epochs=2, show_progress_bar=False, device='cpu', callbacks=[Look()], bf16=bf16, learning_rate=2e-3, alpha=1.)
    trained = Engine(dataset(), folder, out, **base, **settings, **_trusting(Engine.__init__))
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said): trained.finetune()
    held = extract_model_from_parallel(seen['model'], keep_fp32_wrapper=False).eval()
    check_tuned(before, vectors(held), vectors(trained.get_finetuned_model()))
    if seen['prompts'] != (told := prompts_of(held)): raise Wrong(f'trained with the prompts {seen["prompts"]}, searched with {told}')
    if (types := seen['types'] - {'torch.float32'}): raise Wrong(f'weights learn in {", ".join(sorted(types))}')
    if settings.get('fast') and not seen['frozen'] and 'froz' not in said.getvalue().lower() and 'layers' not in said.getvalue():
        raise Wrong('freezes nothing, unsaid')


def prompts_of(model):
    "What the model's author puts in front of questions and of texts; empty prompts are sentence-transformers' filling."
    first = lambda *names: next((model.prompts[name] for name in names if model.prompts.get(name)), '')
    return first('query'), first('document', 'passage', 'corpus')


def check_tuned(before, held, reloaded):
    "Raises `Wrong` unless questions and texts have moved, and the files give what was held in memory."
    n = len(QUESTIONS)
    if held.shape == before.shape:
        for what, part in (('questions', slice(0, n)), ('documents', slice(n, None))):
            if gap(held[part], before[part]) < 1e-6: raise Wrong(f'the vectors of {what} have not moved')
    if held.shape != reloaded.shape or not gap(held, reloaded) < 1e-5:
        raise Wrong(f'after a reload vectors differ by {gap(held, reloaded):.1e}' if held.shape == reloaded.shape else
                    f'after a reload vectors have {reloaded.shape[1]} numbers, not {held.shape[1]}')


def try_adapter(name, folder, out, bf16):
    "Trains an adapter over the model, and loads it again."
    from embedtune import AdapterEmbeddingModel, EmbeddingAdapterFinetuneEngine
    from embedtune.precision import half_precision
    model = half_precision(load(folder), bf16)
    engine = EmbeddingAdapterFinetuneEngine(dataset(), model, epochs=2, model_output_path=out, show_progress_bar=False, shrink=False)
    engine.finetune()
    held = vectors(engine.get_finetuned_model())
    reloaded = vectors(AdapterEmbeddingModel.from_model_path(out, half_precision(load(folder), bf16)))
    if not gap(held, reloaded) < 1e-5: raise Wrong(f'after a reload vectors differ by {gap(held, reloaded):.1e}')


def try_tower(name, folder, out, bf16):
    "Tunes the questions' side, and loads it again."
    from embedtune import QueryTowerFinetuneEngine as Engine
    before, n = vectors(load(folder)), len(QUESTIONS)
    options = dict(bf16=bf16) if 'bf16' in inspect.signature(Engine.__init__).parameters else {}
    engine = Engine(dataset(), folder, out, batch_size=4, epochs=2, learning_rate=2e-3, alpha=.75, show_progress_bar=False, device='cpu',
                    **options, **_trusting(Engine.__init__))
    engine.finetune()
    after, again = vectors(engine.get_finetuned_model()), vectors(engine.get_finetuned_model())
    if not gap(after, again) < 1e-5: raise Wrong(f'two loads differ by {gap(after, again):.1e}')
    if gap(before[:n], after[:n]) < 1e-6: raise Wrong('the vectors of questions have not moved')
    if not gap(before[n:], after[n:]) < 1e-5: raise Wrong('the vectors of documents have moved')


OPERATIONS = dict(evaluate=try_evaluate, finetune=try_finetune, fast=partial(try_finetune, fast=True),
                  lora=partial(try_finetune, lora=4), adapter=try_adapter, tower=try_tower)


# ----------------------------------------------------------------------------------------------- the runner
def outcome(name, operation, folder, bf16=False):
    "What became of one operation: its state, what was said, and where it broke."
    import traceback
    from unittest import mock
    from embedtune import core
    home = Path(tempfile.mkdtemp())
    said, trace = io.StringIO(), ''
    try:
        with mock.patch.dict(os.environ, EMBEDTUNE_CACHE=str(home/'cache')), redirect_stdout(said), redirect_stderr(said):
            OPERATIONS[operation](name, folder, home/'out', bf16)
        state, text = ('wrong', 'taken for a dense model without a word') if ZOO[name].refused else ('ok', '')
    except Wrong as error: state, text = 'wrong', str(error)
    except core.EmbedtuneError as error:
        state, text, trace = 'refused', str(error), traceback.format_exc()
        if any(word in text for word in ('NaN', 'infinit')): state = 'wrong'
        if 'cannot load' in text and not ZOO[name].refused: state = 'crash'
    except Exception as error: state, text, trace = 'crash', f'{type(error).__name__}: {error}', traceback.format_exc()
    finally: shutil.rmtree(home, ignore_errors=True)
    return state, ' '.join(text.replace(str(folder), name).replace(str(home), '').split())[:300], trace


def try_one(name, operation, folder, bf16, answer):
    "In a child process: sends the outcome."
    answer.send(outcome(name, operation, folder, bf16))


def run_one(name, operation, folder, bf16, seconds):
    "The state of a cell, what was said, and where it broke; a child that hangs or dies is a crash."
    fork = multiprocessing.get_context('fork')
    here, there = fork.Pipe(duplex=False)
    child = fork.Process(target=try_one, args=(name, operation, folder, bf16, there))
    child.start()
    there.close()
    try: result = here.recv() if here.poll(seconds) else ('crash', f'no answer in {seconds} s', '')
    except EOFError: result = ('crash', 'the process died', '')
    if child.is_alive(): child.kill() if result[1].startswith('no answer') else None
    child.join()
    return result


def cell(results):
    "The words of a cell: what float32 and bfloat16 say, once if they agree."
    states = {bits: state for bits, (state, *_) in results.items()}
    if len(states) > 1 and len(set(states.values())) == 1: return next(iter(states.values()))
    return ', '.join(f'{state} ({bits})' for bits, state in states.items())


def markdown(table, operations):
    "The table, and below it what each cell said that is not ok."
    lines = ['| model | like | ' + ' | '.join(operations) + ' |', '|---|---|' + '---|'*len(operations)]
    for name, row in table.items():
        lines.append(f'| {name} | {ZOO[name].like} | ' + ' | '.join(cell(row[operation]) for operation in operations) + ' |')
    notes = {}
    for name, row in table.items():
        for operation, results in row.items():
            for bits, (state, text, _) in results.items():
                if state != 'ok': notes.setdefault((state, text), []).append(f'{name} {operation} {bits}')
    for (state, text), where in sorted(notes.items(), key=lambda item: (item[0][0], -len(item[1]))):
        lines.append(f'- **{state}** {text}: {", ".join(where)}'.replace('\n', ' '))
    return '\n'.join(lines[:2 + len(table)] + [''] + lines[2 + len(table):])


def as_page(table, operations):
    "The table as a page of the documentation reads it: {model: {like, operation: state}}, and what was said."
    from datetime import date
    from embedtune.core import _versions
    states = lambda name, operation: cell(table[name][operation]) if operation in table.get(name, {}) else 'not run'
    models = {name: dict(like=ZOO[name].like) | {operation: states(name, operation) for operation in operations} for name in ZOO}
    said = {}
    for name, row in table.items():
        for operation, results in row.items():
            for state, text, _ in results.values():
                if state != 'ok': said.setdefault(f'{state}: {text.replace(name, "…") if ZOO[name].refused else text}', []).append(f'{name} {operation}')
    said = {text: list(dict.fromkeys(where)) for text, where in said.items()}
    return dict(date=date.today().isoformat(), versions=_versions(), models=models, said=said)


def preload():
    "Imports what the children need, once."
    import datasets, numpy, pandas, peft, scipy, sentence_transformers, torch, transformers # noqa: F401
    from embedtune import adapter, evaluation, finetune, frozen, loss, precision, tower # noqa: F401
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def make_table(names, operations, folder, seconds, log=None):
    "The states of all cells: {name: {operation: {'fp32': …, 'bf16': …}}}."
    preload()
    table = {}
    for name in names:
        start = time.time()
        at = build_in_child(name, Path(folder)/name, seconds)
        table[name] = {}
        for operation in operations:
            bits = {'fp32': False, 'bf16': True} if has_bits(operation) else {'own choice': None}
            tries = {word: run_one(name, operation, at, value, seconds) for word, value in bits.items()}
            table[name][operation] = tries
        print(name, *(f'{operation}: {cell(row)};' for operation, row in table[name].items()), f'{time.time() - start:.0f} s', file=sys.stderr, flush=True)
        if log: Path(log).write_text(json.dumps(table, indent=1))
    return table


def has_bits(operation):
    "Whether the package lets the number type be chosen for this operation."
    from embedtune import QueryTowerFinetuneEngine as Engine
    return operation != 'tower' or 'bf16' in inspect.signature(Engine.__init__).parameters


def build_in_child(name, folder, seconds):
    "Builds a folder in a process of its own, so that nothing of it stays in the parent."
    child = multiprocessing.get_context('fork').Process(target=build, args=(name, folder))
    child.start()
    child.join(seconds)
    if child.exitcode: print(f'{name}: the folder could not be built', file=sys.stderr)
    return folder


def main(args=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('command', choices=['list', 'build', 'table'])
    parser.add_argument('folder', nargs='?', help='where the models are written; for table a temporary one if missing')
    parser.add_argument('--only', default='', help='names, separated by commas')
    parser.add_argument('--operations', default=','.join(OPERATIONS))
    parser.add_argument('--seconds', type=int, default=120, help='that a cell may take')
    parser.add_argument('--out', help='JSON file for the table as the documentation shows it, such as bench/models.json')
    parser.add_argument('--known', default='', help='logs of earlier runs, separated by commas, whose models are taken as they are and not run again')
    parser.add_argument('--log', help='JSON file for all that was said, where each cell broke included')
    given = parser.parse_args(args)
    names = given.only.split(',') if given.only else list(ZOO)
    if unknown := [name for name in names if name not in ZOO]: parser.error(f'no model {unknown[0]!r}; there are {", ".join(ZOO)}')
    if given.command == 'list':
        for name in names: print(f'{name:20} {ZOO[name].like}')
        return
    if given.command == 'build':
        if not given.folder: parser.error('build wants a folder')
        for name in names: print(build(name, Path(given.folder)/name))
        return
    operations = given.operations.split(',')
    with tempfile.TemporaryDirectory() as temporary:
        known = {}
        for log in filter(None, given.known.split(',')): known |= json.loads(Path(log).read_text())
        known = {name: row for name, row in known.items() if name in names and row.keys() >= set(operations)}
        table = known | make_table([name for name in names if name not in known], operations, given.folder or temporary, given.seconds, given.log)
    if given.out: Path(given.out).write_text(json.dumps(as_page(table, operations), indent=1, ensure_ascii=False) + '\n')
    print(markdown(table, operations))
    return sum(state in ('crash', 'wrong') for row in table.values() for tries in row.values() for state, *_ in tries.values())


if __name__ == '__main__': sys.exit(1 if main() else 0)
