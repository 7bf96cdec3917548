"""Ask the embedded model about the bundled sample: data/sample/answers.jsonl and the two datasets.

What is recorded already is not asked again; remove answers.jsonl to begin anew (a few minutes on two idle cores)."""
import sys
from pathlib import Path

from embedtune.documents import load_documents
from embedtune.samples import sample_documents
from embedtune.journal import ReplayLLM
from embedtune.llm import local_llm
from embedtune.nodes import split_nodes
from embedtune.pairs import generate_qa_embedding_pairs

FOLDER = Path(__file__).resolve().parent.parent / 'data' / 'sample'


def record(threads=None):
    with local_llm(threads=threads) as llm:
        tape = ReplayLLM(FOLDER / 'answers.jsonl', llm)
        for pdf, side in zip(sample_documents(), ('train', 'val')):
            nodes = split_nodes(load_documents(pdf), chunk_size=256)
            retriever = None if side == 'train' else False  # no model may choose the questions that it is judged by
            dataset = generate_qa_embedding_pairs(nodes, tape, num_questions_per_chunk=8, max_questions=110, retriever=retriever)
            dataset.save_json(FOLDER / f'{side}_dataset.json')
            print(f'{pdf.name}: {len(dataset.queries)} questions about {len(nodes)} nodes')


if __name__ == '__main__': record(*map(int, sys.argv[1:]))
