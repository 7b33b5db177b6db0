"""Serves TensorZero's embedded HTTP gateway; runs in TensorZero's own environment, so it imports nothing of ours."""

import socket
import sys
import time

import tensorzero

gateway = tensorzero._start_http_gateway(  # noqa: SLF001 - the only way that the wheel offers; used by its OpenAI patch
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
sys.stdout.write(f"TENSORZERO {gateway.base_url}\n")
sys.stdout.flush()
# It chose a port of its own: the one that was asked for only tells that it serves.
ready = socket.create_server(("127.0.0.1", int(sys.argv[2])))
while True:
    time.sleep(3600)
