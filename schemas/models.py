"""The model list as OpenAI has it; knows no provider.

Source: https://platform.openai.com/docs/api-reference/models.
"""

from typing import Literal

from schemas.chat_response import ResponseStruct


class Model(ResponseStruct, kw_only=True):
    """One model that the caller may use. `created` is in Unix seconds."""

    id: str
    created: int
    owned_by: str
    object: Literal["model"] = "model"


class ModelList(ResponseStruct, kw_only=True):
    """All models that the caller may use."""

    data: list[Model]
    object: Literal["list"] = "list"
