"""What the API demands of documents across a conversation: names of their own, and a text beside them; knows no hub.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html, checked 2026-11-26: two
documents of one name in a request, and a document without a text in its message, are refused.
"""

from typing import Final

from msgspec.structs import replace

from schemas.bedrock import request as wire

_WORDS: Final = "(see the attached document)"


class Titles:
    """Tells the documents of one request apart: a name that is taken gets a number, the same in every turn."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def named(self, blocks: list[wire.Block]) -> list[wire.Block]:
        """Return a message's blocks with names of their own and, where there are documents, a text."""
        if not any(block.document or block.tool_result for block in blocks):
            return blocks
        named = [self._block(block) for block in blocks]
        if any(block.document for block in named) and not any(block.text for block in named):
            at = next(index for index, block in enumerate(named) if block.document)
            named.insert(at, wire.Block(text=_WORDS))
        return named

    def _block(self, block: wire.Block) -> wire.Block:
        if block.document is not None:
            return replace(block, document=self._document(block.document))
        result = block.tool_result
        if result is None or not any(content.document for content in result.content):
            return block
        contents = [
            replace(content, document=self._document(content.document)) if content.document else content
            for content in result.content
        ]
        return replace(block, tool_result=replace(result, content=contents))

    def _document(self, document: wire.Document) -> wire.Document:
        name, number = document.name, 1
        while name.lower() in self._taken:
            number += 1
            name = f"{document.name[:190]} ({number})"
        self._taken.add(name.lower())
        return document if name == document.name else replace(document, name=name)
