"""AWS as far as the gateway's bench needs it: `python stub_aws.py <JWKS>` prints its URL and serves until ended.

Converse answers after the milliseconds that its model's name ends with, in `50_to_100` any between them; DynamoDB at
once; `/keys` is the issuer's; `/took` tells the seconds of each Converse from its last byte in to its first byte out.
"""

import asyncio
import json
import random
import re
import sys
import time

ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15},
    "metrics": {"latencyMs": 1},
}
TOOK: dict[str, float] = {}


def seconds(path: str) -> float:
    least, most = re.search(r"(\d+)_to_(\d+)/converse$", path).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return random.uniform(int(least), int(most)) / 1000  # noqa: S311


async def answered(path: str, body: bytes) -> object:
    if path == "/keys":
        return json.loads(sys.argv[1])
    if path == "/took":
        return TOOK
    if path.endswith("/converse"):
        began = time.perf_counter()
        await asyncio.sleep(seconds(path))
        TOOK[json.loads(body)["requestMetadata"]["request_id"]] = time.perf_counter() - began
        return ANSWER
    return {}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(length[1]) if length else 0)
            said = json.dumps(await answered(head.split(" ", 2)[1], body)).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
            writer.write(b"content-length: %d\r\n\r\n" % len(said) + said)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
