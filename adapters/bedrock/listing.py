"""Which models and inference profiles of an account can be called by their id; knows no transport.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html and
.../inference-profiles-support.html, checked 2026-11-27. Later models have no capacity of one region on demand: only
their profiles can be called.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from schemas.bedrock.listing import ModelList, ProfileSummary

MODELS_PATH: Final = "/foundation-models"
MAX_PAGES: Final = 50
_PAGE_SIZE: Final = 1000
_SERVED: Final = frozenset({"TEXT", "EMBEDDING"})


def profiles_path(token: str) -> str:
    """Return the path of a page of the profiles that the provider defines itself; the first has an empty token.

    Those of an account's own are called by their ARN, which does not say what model they stand for.
    """
    page = f"/inference-profiles?maxResults={_PAGE_SIZE}&type=SYSTEM_DEFINED"
    return f"{page}&nextToken={quote(token, safe='')}" if token else page


def callable_ids(models: ModelList, profiles: Iterable[ProfileSummary]) -> tuple[str, ...]:
    """Return the ids that answer in text or in vectors, sorted; what the provider does not say is no reason to hide."""
    found: set[str] = set()
    others: set[str] = set()
    for model in models.model_summaries or ():
        if not model.model_id:
            continue
        if model.output_modalities is not None and not _SERVED.intersection(model.output_modalities):
            others.add(model.model_id)
        elif model.inference_types_supported is None or "ON_DEMAND" in model.inference_types_supported:
            found.add(model.model_id)
    for profile in profiles:
        behind = {(model.model_arn or "").rpartition("/")[2] for model in profile.models or ()}
        if profile.inference_profile_id and not behind & others:
            found.add(profile.inference_profile_id)
    return tuple(sorted(found))
