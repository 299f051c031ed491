"""Whoever asks how one stack does is answered once it has settled, or after a moment.

CDK asks, waits five seconds, and asks again: most of a deployment here would be these pauses.
"""

import asyncio
import re
import time
from urllib.parse import parse_qs

from groundplan_local.bridge import Answer, Handler
from groundplan_local.joints import joint

HELD_AT_MOST_SECONDS = 4.0
LOOKED_EVERY_SECONDS = 0.05
UNDER_WAY = re.compile(rb"(?<!REVIEW)_IN_PROGRESS</StackStatus>")


def install() -> None:
    """Take over DescribeStacks of one stack."""
    handlers = joint("ministack.app", "SERVICE_HANDLERS")
    describes: Handler = handlers["cloudformation"]

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> Answer:
        answer = await describes(method, path, headers, body, query)
        if _asks_for_one(body):
            given_up = time.monotonic() + HELD_AT_MOST_SECONDS
            while UNDER_WAY.search(answer[2]) and time.monotonic() < given_up:
                await asyncio.sleep(LOOKED_EVERY_SECONDS)
                answer = await describes(method, path, headers, body, query)
        return answer

    handlers["cloudformation"] = handle


def _asks_for_one(body: bytes) -> bool:
    asked = parse_qs(body.decode("utf-8", "replace"))
    return asked.get("Action") == ["DescribeStacks"] and "StackName" in asked
