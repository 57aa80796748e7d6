"""Write a language model of half a megabyte in GGUF: real to an engine, and no use to anybody. Its weights are random.

It speaks in common English words without meaning. A llama of two layers, with words and the 256 bytes as tokens. The same seed
gives the same file. Needs `gguf` (requirements/engine.txt).

    python scripts/tiny_model.py OUT.gguf [--seed N]
"""

import argparse
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, LlamaFileType, PoolingType, TokenType

TEXT = """
the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not what all were we when
your can said there use an each which she do how their if will up other about out many then them these so some her would make like him
into time has look two more write go see number no way could people my than first water been call who oil its now find long down day did
get come made may part
"""
WORDS = TEXT.split()
CONTEXT, WIDTH, HEADS, LAYERS, INNER = 2048, 64, 4, 2, 128
SPREAD = 0.1
TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant:"


def vocabulary() -> tuple[list[str], list[float], list[int]]:
    """The tokens, their scores and their types: three that mean something, the bytes, then the words, likeliest first."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *(f"▁{word}" for word in WORDS)]
    scores = [*[-1000.0] * 259, *(-float(rank) for rank in range(len(WORDS)))]
    kinds = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL, *[TokenType.BYTE] * 256, *[TokenType.NORMAL] * len(WORDS)]
    return tokens, scores, [int(kind) for kind in kinds]


def tensors(size: int, seed: int) -> dict[str, np.ndarray]:
    """The weights. The first dimension is the same for every token read, and says word for every token written."""
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return random.normal(0.0, SPREAD, shape).astype(np.float32)

    read, written, ones = draw(size, WIDTH), draw(size, WIDTH), np.ones(WIDTH, dtype=np.float32)
    read[:, 0] = 1.0
    written[:, 0] = np.where(np.arange(size) < size - len(WORDS), -1.0, 1.0)
    named = {"token_embd.weight": read, "output_norm.weight": ones, "output.weight": written}
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        named |= {f"{block}.attn_norm.weight": ones, f"{block}.ffn_norm.weight": ones}
        named |= {f"{block}.attn_{part}.weight": draw(WIDTH, WIDTH) for part in ("q", "k", "v", "output")}
        named |= {f"{block}.ffn_gate.weight": draw(INNER, WIDTH), f"{block}.ffn_up.weight": draw(INNER, WIDTH)}
        named[f"{block}.ffn_down.weight"] = draw(WIDTH, INNER)
    return named


def write(path: Path, seed: int) -> None:
    """Write the file."""
    tokens, scores, kinds = vocabulary()
    writer = GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_pooling_type(PoolingType.MEAN)
    writer.add_file_type(LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    for name, values in tensors(len(tokens), seed).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    write(arguments.path, arguments.seed)
    print(f"{arguments.path}: {arguments.path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
