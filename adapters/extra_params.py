"""Which of a request's unknown fields may reach a provider; knows no provider's body.

Some fields choose another model, another address or another credential at the servers that know them (routers, proxies,
SDKs behind an HTTP face). Models, addresses and credentials are the operator's to choose, and what the gateway allows,
counts and charges rests on that choice; others bound the answer in another way than the field that limits rest on. So
these fields are never forwarded, whatever the model's policy. Names are
compared without case, `_` and `-`: some servers read JSON that way.
"""

from typing import Final

from msgspec import Raw

from adapters.base import Call, Losses

NEVER_FORWARDED: Final = frozenset(
    {
        # other models, or other ways to one
        "customllmprovider",
        "deploymentid",
        "fallbacks",
        "model",
        "modellist",
        "models",
        "plugins",
        "preset",
        "provider",
        "providers",
        "route",
        "transforms",
        # other addresses and credentials
        "apibase",
        "apikey",
        "apitype",
        "apiversion",
        "baseurl",
        "extrabody",
        "extraheaders",
        "extraquery",
        "headers",
        # how much is answered: limits rest on the fields that the gateway knows
        "bestof",
        "maxlength",
        "maxnewtokens",
        "maxoutputtokens",
        "ncmpl",
        "npredict",
        "numpredict",
        # an answer of the client's own making
        "mockresponse",
        # how the answer is framed, which the gateway decides
        "stream",
        "streamoptions",
    }
)
NEVER_FORWARDED_PREFIXES: Final = ("aws", "azure", "litellm", "userapikey", "vertex")


def folded(name: str) -> str:
    """Return a field's name as lenient servers compare it."""
    return name.lower().replace("_", "").replace("-", "")


def forwardable(call: Call, losses: Losses) -> dict[str, Raw]:
    """Return the unknown fields that may be forwarded; the others are noted in `losses`, which may raise."""
    kept: dict[str, Raw] = {}
    for name, value in call.extra_params.items():
        key = folded(name)
        if key in NEVER_FORWARDED or key.startswith(NEVER_FORWARDED_PREFIXES):
            losses.drop(name)
        else:
            kept[name] = value
    return kept
