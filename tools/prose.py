#!/usr/bin/env python
"""Print how the chapters read: words, "you" and "we", names in backquotes, and how early the chapter's main function is called.

With --check, the exit code is 1 where the book misses a goal."""
import argparse
import json
import re
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TALK, CODE = 15, 20              # "you" and "we", and code spans, in 1,000 words of the book: at least
FIRST, MOST_CELLS = 0.30, 100    # median place of the first call; cells of a chapter: at most
MAIN = {  # what a chapter is about: the function, class or method that a reader came for
    "00_core": "_new_file", "01_samples": "first_available", "02_headings": "_find_headings", "03_layout": "_pdfium_read",
    "03_pdf": "_read_pdf", "03_strangers": "_apart", "04_documents": "load_documents", "05_nodes": "split_nodes", "06_duplicates": "_alike_pairs",
    "07_dataset": "EmbeddingQAFinetuneDataset", "08_leakage": "check_leakage", "09_sides": "_two_parts",
    "10_embedding": "encode", "11_precision": "load_model", "12_retrieval": "DenseRetriever", "13_evaluation": "evaluate",
    "14_search": "choose_weight", "15_verdict": "verdict", "16_trec": "_measure_run", "17_guard": "_guarded",
    "19_servers": "_without_thoughts", "20_llm": "ChatLLM", "21_journal": "ReplayLLM", "22_questions": "_parse_questions",
    "23_flaws": "flaw", "24_small_llm": "sentence_call", "25_judge": "Judge", "26_filters": "filter_questions",
    "27_pairs": "generate_qa_embedding_pairs", "28_queries": "from_queries", "29_structure": "structure_queries",
    "30_negatives": "mine_hard_negatives", "31_loss": "JudgedRankingLoss", "32_frozen": "_freezing", "33_merge": "merge",
    "34_card": "_model_card", "35_engine": "finetune", "36_examples": "_Examples", "37_trainer": "_make_trainer",
    "38_saving": "_save_model", "39_finetune": "finetune", "40_layers": "LinearLayer", "41_adapter": "EmbeddingAdapterFinetuneEngine",
    "42_nudge": "nudge", "43_tower": "QueryTowerFinetuneEngine", "44_reranker": "CrossEncoderFinetuneEngine",
    "50_serve": "EmbeddingServer", "51_index": "save_index", "52_migrate": "Migration", "53_integrations": "to_llama_index",
    "54_corpus": "embed_corpus", "55_export": "export_onnx", "56_stores": "save_qdrant", "57_runs": "open_run",
    "60_ladder": "ladder", "61_report": "write_report", "62_pipeline": "run", "63_cli": "main",
    "64_llama_index": "generate_qa_embedding_pairs", "65_package": "import embedtune", "68_labels": "label",
    "69_search_server": "serve", "70_updating": "update"}
PRIVATE = {  # words of this project where the field has its own, and words that stop a reader
    "middle": r"\bmiddle\b", "told_apart": r"\btold[_ ]apart\b", "turn": r"\bturns?\b", "room": r"\broom\b",
    "together": r"\btogether\b", "leads": r"\bleads\b", "standing": r"\bstanding\b", "anew": r"\banew\b",
    "whoever": r"\bwhoever\b", "in comes": r"\bin comes?\b", "dear": r"\bdear(er|est)?\b"}
OPENING = re.compile(r"\bcomes? in\b|\bin comes?\b|\bgoes? out\b|\bout goe?s?\b", re.I)


def source(cell):
    """Return the text of a cell."""
    return "".join(cell["source"])


def prose(text):
    """Return the words of Markdown: without blocks of code, formulas, HTML and the addresses of links."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$|<[^>\n]+>", " ", text, flags=re.S)
    return re.sub(r"\]\([^)]*\)|\$[^$\n]+\$", "] ", text)


def first_call(cells, name):
    """Return where a cell first calls `name` and does not define it, as a share of the chapter's cells; 1 if none does."""
    called = re.compile(r"(?<!def )(?<!class )\b" + (re.escape(name) if " " in name else rf"{name}\("))
    shown = [cell["cell_type"] == "code" and not re.search(r"^#\| *export", source(cell), re.M) and called.search(source(cell)) for cell in cells]
    return next((i/len(cells) for i, found in enumerate(shown) if found), 1.)


def measured(path):
    """Return what is measured of one chapter."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = [source(cell) for cell in cells if cell["cell_type"] == "markdown"]
    text = prose("\n\n".join(parts))
    words = re.findall(r"\w[\w’'-]*", text)
    opening = next((part for part in parts[1:] if part.strip()), "")
    return dict(chapter=path.stem, cells=len(cells), words=len(words), talk=len(re.findall(r"\b(?:you|we)\b", text, re.I)),
                code=len(re.findall(r"`[^`\n]+`", text)), first=first_call(cells, MAIN[path.stem]) if path.stem in MAIN else None,
                opens=bool(OPENING.search(opening[:300])),
                private={word: n for word, pattern in PRIVATE.items() if (n := len(re.findall(pattern, text, re.I)))})


def rate(rows, what):
    """Return how often something stands in 1,000 words of these chapters."""
    return 1000*sum(row[what] for row in rows)/max(1, sum(row["words"] for row in rows))


def table(rows):
    """Return the lines of the table, a chapter a line, and the whole book last."""
    lines = [f"{'chapter':18}{'cells':>6}{'words':>7}{'you+we':>8}{'code':>6}{'first call':>12}  private words"]
    for row in rows:
        first = "–" if row["first"] is None else f"{row['first']:.0%}"
        private = ["“comes in, goes out”"]*row["opens"] + [f"{word} {n}" for word, n in row["private"].items()]
        lines.append(f"{row['chapter']:18}{row['cells']:6}{row['words']:7}{rate([row], 'talk'):8.1f}{rate([row], 'code'):6.1f}{first:>12}  {', '.join(private)}")
    firsts = [row["first"] for row in rows if row["first"] is not None]
    counts = {word: sum(row["private"].get(word, 0) for row in rows) for word in PRIVATE}
    lines.append(f"{'all ' + str(len(rows)):18}{sum(row['cells'] for row in rows):6}{sum(row['words'] for row in rows):7}{rate(rows, 'talk'):8.1f}{rate(rows, 'code'):6.1f}"
                 f"{statistics.median(firsts):>12.0%}  {sum(row['opens'] for row in rows)} open with what comes in; " + ", ".join(f"{word} {n}" for word, n in counts.items() if n))
    return lines


def missed(rows):
    """Return a line for each goal that the book misses."""
    median = statistics.median(row["first"] for row in rows if row["first"] is not None)
    lines = [f"expected {name} at least {least} times in 1,000 words, got {rate(rows, what):.1f}"
             for name, what, least in (("“you” and “we”", "talk", TALK), ("names in backquotes", "code", CODE)) if rate(rows, what) < least]
    if median > FIRST: lines.append(f"expected the main function within the first {FIRST:.0%} of a chapter's cells, got {median:.0%} (median)")
    lines += [f"{row['chapter']}: expected at most {MOST_CELLS} cells, got {row['cells']}" for row in rows if row["cells"] > MOST_CELLS]
    return lines + [f"{row['chapter']}: name its main function in MAIN of tools/prose.py" for row in rows if row["first"] is None]


def main():
    """Print the table; with --check also the goals that are missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", help="folders of nbs to measure, such as 1_texts (default: all)")
    parser.add_argument("--check", action="store_true", help="fail where a goal is missed")
    args = parser.parse_args()
    paths = sorted((ROOT/"nbs").glob("[0-9]*/[0-9]*.ipynb"))
    rows = [measured(path) for path in paths if not args.folders or path.parent.name in args.folders]
    print("\n".join(table(rows)))
    found = missed(rows) if args.check else []
    print("\n".join(found), end="\n" if found else "")
    return bool(found)


if __name__ == "__main__": sys.exit(main())
