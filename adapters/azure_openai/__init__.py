"""OpenAI's models at Azure: OpenAI's dialect with other URLs and credentials; knows no body of its own."""

from adapters.azure_openai.adapter import AzureOpenAIAdapter

__all__ = ["AzureOpenAIAdapter"]
