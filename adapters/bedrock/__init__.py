"""Amazon Bedrock's Converse API; what it offers is `BedrockAdapter`."""

from adapters.bedrock.adapter import BedrockAdapter

__all__ = ["BedrockAdapter"]
