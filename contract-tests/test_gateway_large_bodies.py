"""Large requests beside small ones: nobody waits long for somebody else's pictures."""

import base64
import json
import threading
import time

from raw_http import Connection, ask, request_bytes
from running_gateway import TOKEN, RunningGateway

CHAT = "/v1/chat/completions"
LARGE_REQUESTS = 10
IMAGE_BYTES = 15_000_000
LONGEST_WAIT_S = 0.25
"""Five times the goal: tests share the machine, and the clients share the process."""


def test_tiny_requests_do_not_wait_for_ten_of_20_megabytes(gateway: RunningGateway) -> None:
    """TRAPS 17: requests with base64 images brought a gateway to latencies of 10 s."""
    image = "data:image/png;base64," + base64.b64encode(bytes(IMAGE_BYTES)).decode()
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": image}}]
    body = json.dumps({"model": "echo", "messages": [{"role": "user", "content": parts}]}).encode()
    assert len(body) > 20_000_000
    large = request_bytes(CHAT, body, token=TOKEN)
    tiny = request_bytes(CHAT, b'{"model":"echo","messages":[{"role":"user","content":"x"}]}', token=TOKEN)
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(ask(gateway.port, large, timeout_s=60.0).status))
        for _ in range(LARGE_REQUESTS)
    ]
    waits: list[float] = []

    for thread in threads:
        thread.start()
    with Connection(gateway.port) as connection:
        while any(thread.is_alive() for thread in threads):
            begun = time.perf_counter()
            connection.send(tiny)
            assert connection.answer().status == 200
            waits.append(time.perf_counter() - begun)
            time.sleep(0.002)

    assert statuses == [200] * LARGE_REQUESTS
    assert max(waits) < LONGEST_WAIT_S, f"waited {max(waits) * 1000:.0f} ms"
