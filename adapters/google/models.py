"""What Gemini models can do, by their names, in one table; knows no request.

Sources (checked 2026-11-24): https://ai.google.dev/gemini-api/docs/thinking, .../structured-output,
.../function-calling, .../models; .../file-input-methods, checked 2026-11-27; penalties as users reported them, checked
2026-11-27. Where a name says nothing the newest generation is assumed. An operator overrides with the deployment's
options `generation` (`2.5`), `thinking` (`none`, `budget` or `level`) and `fetch_urls` (`true` or `false`).
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from adapters.errors import ErrorKind, ProviderError

Thinking = Literal["none", "budget", "level"]
WebReading = Literal["none", "documented", "all"]
Level = Literal["minimal", "low", "medium", "high"]
LATEST_GENERATION: Final = 3.5
_STYLES: Final[Mapping[str, Thinking]] = {"none": "none", "budget": "budget", "level": "level"}
_WEB_READINGS: Final[Mapping[str, WebReading]] = {"true": "all", "false": "none"}

_NAME: Final = re.compile(r"gemini-(\d+(?:[.-]\d)?)(?=-|$)")
_NEVER_THINKS: Final = re.compile(r"-(?:image|tts|live|native-audio|embedding)\b|embedding")


class ModelFacts(Struct, frozen=True, kw_only=True):
    """What a model takes. Budgets are in tokens; a `least_budget` above 0 means that thinking cannot be turned off.

    `reads_web` says which addresses of the web Google reads: those that the Gemini API's documents name, all, or none.

    The last four are the platform's: whether a request names its service tier, whether it says that functions stand
    beside Google's own tools, whether a file needs its media type even where the address does not tell it, and whether
    penalties are taken.
    """

    generation: float
    thinking: Thinking
    levels: tuple[Level, ...] = ()
    least_budget: int = 0
    most_budget: int = 24_576
    lowest_budget: int = 1
    json_schema: bool = True
    signatures: bool = False
    media_in_results: bool = False
    mixed_tools: bool = False
    json_beside_tools: bool = False
    system_instruction: bool = True
    reads_web: WebReading = "documented"
    service_tiers: bool = True
    declares_mixed_tools: bool = True
    needs_media_types: bool = False
    penalties: bool = True


def facts_of(upstream_model: str, options: Mapping[str, str]) -> ModelFacts:
    """Return the facts; raises `ProviderError` (another deployment may do) for an option that makes no sense."""
    name = upstream_model.rpartition("/")[2].lower()
    generation = _generation(name, options)
    thinking = _thinking(name, generation, options)
    is_pro = "-pro" in name
    lowest, most = 1, 24_576
    if is_pro:
        lowest, most = 128, 32_768
    elif "flash-lite" in name:
        lowest = 512
    levels: tuple[Level, ...] = ("low", "medium", "high") if is_pro else ("minimal", "low", "medium", "high")
    return ModelFacts(
        generation=generation,
        thinking=thinking,
        levels=levels if thinking == "level" else (),
        least_budget=lowest if is_pro else 0,
        most_budget=most,
        lowest_budget=lowest,
        json_schema=generation >= 2,
        signatures=generation >= 3,
        media_in_results=generation >= 3,
        mixed_tools=generation >= 3,
        json_beside_tools=generation >= 3,
        system_instruction=not name.startswith(("gemma-1", "gemma-2", "gemma-3", "gemma3")),
        reads_web=_reads_web(generation, options),
        penalties=generation < 2.5,
    )


def _generation(name: str, options: Mapping[str, str]) -> float:
    given = options.get("generation")
    if given is not None:
        try:
            return float(given)
        except ValueError:
            raise _bad_option("generation") from None
    found = _NAME.search(name)
    if found is not None:
        return float(found[1].replace("-", "."))
    if name.startswith("gemma") or "embedding" in name:
        return 2.0
    return LATEST_GENERATION


def _thinking(name: str, generation: float, options: Mapping[str, str]) -> Thinking:
    given = options.get("thinking")
    if given is not None:
        style = _STYLES.get(given)
        if style is None:
            raise _bad_option("thinking")
        return style
    if generation < 2.5 or (generation < 3 and _NEVER_THINKS.search(name)):
        return "none"
    return "budget" if generation < 3 else "level"


def _reads_web(generation: float, options: Mapping[str, str]) -> WebReading:
    given = options.get("fetch_urls")
    if given is not None:
        reading = _WEB_READINGS.get(given)
        if reading is None:
            raise _bad_option("fetch_urls")
        return reading
    return "documented" if generation > 2 else "none"  # "Gemini 2.0 family of models are not supported"


def _bad_option(name: str) -> ProviderError:
    return ProviderError(ErrorKind.MODEL_NOT_FOUND, f"The deployment's option '{name}' has no valid value.")
