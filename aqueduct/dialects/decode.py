"""Decodes a request body into its Struct and words what is wrong with it; knows no operation."""

import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Raw

from aqueduct.dialects.choices import choices
from aqueduct.errors import GatewayError, invalid_request, shown

MAX_EXTRA_PARAMS: Final = 64
MAX_SHOWN_CHARS: Final = 300
RequestT = TypeVar("RequestT")
_MISSING = re.compile(r"^Object missing required field `(.+?)`")
_UNKNOWN = re.compile(r"^Object contains unknown field `(.*)`$", re.DOTALL)
_INVALID_VALUE = re.compile(r"^(?:Invalid (?:enum )?value|Number out of range)")
_BELOW = re.compile(r"^Expected `int` >= (\d+)$")
_AT = re.compile(r" - at `(.*)`$", re.DOTALL)
_NO_EXTRA: Final[Mapping[str, Raw]] = {}
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode


class RequestDecoder(Generic[RequestT]):
    """Decoder of one request type; unknown top-level fields are collected, not lost.

    `strict` is a subclass of `request_type` that forbids unknown fields: the common body without any is decoded once.
    """

    def __init__(self, request_type: type[RequestT], strict: type[RequestT]) -> None:
        self._request_type: type = request_type
        self._strict = msgspec.json.Decoder(strict).decode
        self._lenient = msgspec.json.Decoder(request_type).decode
        self._fields = frozenset(field.encode_name for field in msgspec.structs.fields(request_type))  # type: ignore[arg-type]  # RequestT is a Struct

    def decode(self, body: bytes) -> tuple[RequestT, Mapping[str, Raw]]:
        """Return the request and its unknown top-level fields; raises `GatewayError` 400 that names the field."""
        try:
            if not body.isascii():
                body.decode()  # msgspec does not look into `Raw`
            try:
                return self._strict(body), _NO_EXTRA
            except msgspec.ValidationError as error:
                if not _UNKNOWN.match(str(error)):
                    raise
            return self._decode_with_extra(body)
        except msgspec.ValidationError as error:
            raise worded(error, self._request_type) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _invalid_json(body, error) from None

    def _decode_with_extra(self, body: bytes) -> tuple[RequestT, Mapping[str, Raw]]:
        request = self._lenient(body)
        members = _decode_members(body)
        extra = {name: value for name, value in members.items() if name not in self._fields}
        if len(extra) > MAX_EXTRA_PARAMS:
            message = f"The request has {len(extra)} unknown parameters; at most {MAX_EXTRA_PARAMS} are passed on."
            raise invalid_request("unsupported_parameter", message, shown(next(iter(extra))))
        return request, extra


def require_one_kind(items: str | list[str | int | list[int]] | None, path: str) -> None:
    """Refuse a list that mixes texts, tokens and token lists; raises `GatewayError` 400 that names the item."""
    if not isinstance(items, list) or not items:
        return
    kind = type(items[0])
    for index, item in enumerate(items):
        if type(item) is not kind:
            message = f"'{path}' mixes texts, tokens and token lists; send one kind."
            raise invalid_request("invalid_type", message, f"{path}[{index}]")


def worded(error: msgspec.ValidationError, request_type: type | None = None) -> GatewayError:
    """Return the 400 for a body of the wrong shape, with the JSON path as `param`, and what may stand there."""
    text = str(error)
    at = _AT.search(text)
    path = at[1].removeprefix("$").removeprefix(".") if at else ""
    text = _AT.sub("", text)
    missing = _MISSING.match(text)
    if missing:
        param = f"{path}.{missing[1]}" if path else missing[1]
        return invalid_request("missing_required_parameter", f"Missing required parameter: '{param}'.", param)
    unknown = _UNKNOWN.match(text)
    if unknown:
        param = f"{path}.{unknown[1]}" if path else unknown[1]
        return invalid_request("unsupported_parameter", f"Unknown parameter: '{shown(param)}'.", shown(param))
    below = _BELOW.match(text)
    if below:
        message = f"Invalid '{path}': integer below minimum value. Expected a value >= {below[1]}."
        return invalid_request("integer_below_min_value", message, path or None)
    where = f"'{path}'" if path else "the request body"
    code = "invalid_value" if _INVALID_VALUE.match(text) else "invalid_type"
    message = f"Invalid value for {where}: {text[:MAX_SHOWN_CHARS]}."
    if code == "invalid_value" and request_type is not None and (supported := choices(request_type, path)):
        message += f" Supported values are: {', '.join(map(repr, supported))}."
    return invalid_request(code, message, path or None)


def _invalid_json(body: bytes, error: Exception) -> GatewayError:
    if not body.strip():
        return invalid_request("invalid_json", "The request body is empty; send the request as JSON.")
    if body.startswith(BOM_UTF8):
        return invalid_request(
            "invalid_json", "The request body begins with a byte order mark; send UTF-8 without one."
        )
    if isinstance(error, RecursionError):
        return invalid_request("invalid_json", "The request body is nested too deeply.")
    if isinstance(error, UnicodeDecodeError):
        return invalid_request("invalid_json", f"The request body is not valid UTF-8 (byte {error.start}).")
    return invalid_request("invalid_json", f"The request body is not valid JSON: {str(error)[:MAX_SHOWN_CHARS]}.")
