"""The floor of the SDK: raw responses over the aiohttp transport, read as JSON; nothing is kept."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from anthropic import AsyncAnthropic, DefaultAioHttpClient


async def converse(client: AsyncAnthropic, free: asyncio.Semaphore, script: Any, case: str) -> None:
    """Have one conversation: its user turns one after the other, the history sent with each."""
    async with free:
        messages: list[Any] = []
        for turn in script["turns"]:
            messages.append({"role": "user", "content": turn.format(item=case)})
            response = await client.messages.with_raw_response.create(
                model=script["model"],
                max_tokens=script["max_tokens"],
                system=script["system"],
                messages=messages,
            )
            reply: Any = await response.json()
            messages.append({"role": "assistant", "content": reply["content"]})


async def main(script: Any, in_flight: int) -> None:
    """Have all conversations, so many of them at once."""
    free = asyncio.Semaphore(in_flight)
    async with AsyncAnthropic(http_client=DefaultAioHttpClient()) as client:
        await asyncio.gather(*(converse(client, free, script, case) for case in script["cases"]))


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])))
