"""Addresses that must not reach a server which would read them itself; knows no HTTP.

A server of one's own stands inside one's network: what a client has it fetch is fetched from there. The deployment's
option `fetch_urls: false` keeps all addresses from it, and the gateway's own guarded fetching, where it is on, puts
their content in the place. Files of the server's own disk are nobody's to name.
"""

from collections.abc import Sequence

from adapters.base import Deployment
from adapters.errors import ErrorKind, ProviderError
from adapters.media import web_addresses
from schemas.chat_request import AudioURLPart, ContentPart, ImagePart, Message, VideoPart


def is_closed(deployment: Deployment) -> bool:
    """Return whether the server is to read no address; raises `ProviderError` for an option that makes no sense."""
    option = deployment.options.get("fetch_urls", "true")
    if option not in {"true", "false"}:
        message = "The deployment's option 'fetch_urls' has an unknown value."
        raise ProviderError(ErrorKind.MODEL_NOT_FOUND, message)
    return option == "false"


def refuse_addresses(messages: Sequence[Message], deployment: Deployment) -> None:
    """Raise `ProviderError` for an address that is left in the messages of a server that is to read none."""
    if not is_closed(deployment):
        return
    for found in web_addresses(messages):
        message = "This model reads no web addresses: send the content as a base64 data URL."
        raise ProviderError(ErrorKind.UNSUPPORTED_PARAMETER, message, param=found.path)


def refuse_local(part: ContentPart, path: str) -> None:
    """Raise `ProviderError` for a file on the server's own disk, which some servers would read."""
    match part:
        case ImagePart(image_url=link):
            name = "image_url"
        case VideoPart(video_url=link):
            name = "video_url"
        case AudioURLPart(audio_url=link):
            name = "audio_url"
        case _:
            return
    if link.url.lstrip()[:5].lower() == "file:":
        message = "Neither an http(s) URL nor a data URL."
        raise ProviderError(ErrorKind.INVALID_REQUEST, message, param=f"{path}.{name}.url")
