"""A genuine llama.cpp server on loopback with a tiny random model: real tokens, real errors, no meaning.

Run as a program it serves a model: `llama_server.py MODEL.gguf PORT [embeddings]`. It must not know the product.
"""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gguf
import numpy as np

ALIAS = "tiny"
CONTEXT_TOKENS = 2048
START_TIMEOUT_S = 60.0
WIDTH, HIDDEN, LAYERS, HEADS = 32, 64, 1, 2
TEMPLATE = (
    "{% if tools %}tools: {{ tools | tojson }}\n{% endif %}"
    "{% for message in messages %}{{ message['role'] + ': ' + (message['content'] or '') }}"
    "{% if message['tool_calls'] %}{{ message['tool_calls'] | tojson }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-in for each byte value."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def write_model(path: Path) -> None:
    """Write a llama with random weights and a vocabulary of single bytes, a few hundred kilobytes."""
    random = np.random.default_rng(20)
    letters = byte_alphabet()
    vocabulary = [*letters, "<end>", letters[ord("a")] + letters[ord("b")]]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name(ALIAS)
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary)
    writer.add_token_types([gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL, gguf.TokenType.NORMAL])
    writer.add_token_merges([f"{letters[ord('a')]} {letters[ord('b')]}"])
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(256)
    writer.add_chat_template(TEMPLATE)

    def tensor(*shape: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
        return (random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    writer.add_tensor("token_embd.weight", tensor(len(vocabulary), WIDTH))
    writer.add_tensor("output.weight", tensor(len(vocabulary), WIDTH))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", tensor(WIDTH, WIDTH))
        writer.add_tensor(f"blk.{layer}.ffn_gate.weight", tensor(HIDDEN, WIDTH))
        writer.add_tensor(f"blk.{layer}.ffn_up.weight", tensor(HIDDEN, WIDTH))
        writer.add_tensor(f"blk.{layer}.ffn_down.weight", tensor(WIDTH, HIDDEN))
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def serve(path: Path, port: int, *, embeddings: bool) -> None:
    """Serve chat and completions, or embeddings, until killed."""
    import xllamacpp  # noqa: PLC0415 - only the server's process needs the native library

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.model_alias = {ALIAS}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = 1
    if embeddings:
        parameters.embedding = True
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    parameters.warmup = False
    parameters.use_jinja = True
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(parameters)
    while server.listening_address:
        time.sleep(60)


@contextmanager
def llama_server(folder: Path, port: int, *, embeddings: bool = False) -> Iterator[str]:
    """Run the server in a process of its own; yields its base URL, which ends with `/v1`."""
    model, said = folder / f"tiny-{port}.gguf", folder / f"llama-{port}.log"
    write_model(model)
    command = [sys.executable, __file__, str(model), str(port), *(["embeddings"] if embeddings else [])]
    with said.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait(process, port, said)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while not _is_healthy(port):
        tail = log.read_text("utf-8", "replace")[-2000:]
        assert process.poll() is None, f"the server ended: {tail}"
        assert time.monotonic() < until, f"the server did not start: {tail}"
        time.sleep(0.1)


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), embeddings="embeddings" in sys.argv[3:])
