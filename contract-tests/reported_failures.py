"""What OpenRouter and Ollama really answered when they failed, as users quoted it, and what a client is told of it.

The recordings hold few failures of these two. Each body stands as it was quoted in a public repository's issues or
tests, with names of persons, machines and keys replaced; `SOURCES` says where.
"""

import json

from error_tables import (
    CREDENTIALS,
    FAILED,
    INVALID,
    LATE,
    LIMITED,
    NO_MODEL,
    OVERLOADED,
    POLICY,
    SECRETS,
    TOO_LONG,
    UNSUPPORTED,
    Case,
    Told,
)

SOURCES = {
    "openrouter": "OpenRouter's OpenAPI document; open-webui/computer, BerriAI/litellm, reVrost/go-openrouter, "
    "babikov/doka-site, newo-ether/Agora, Routstr/routstr-core, Aider-AI/aider, diegosouzapw/OmniRoute, "
    "maximhq/bifrost, braintrustdata/braintrust-proxy, anomalyco/opencode, truefoundry/models",
    "ollama": "continuedev/continue, NousResearch/hermes-agent, ollama/ollama, nano-step/nano-brain, chatboxai/chatbox",
}
UPGRADE = "https://internal.example/upgrade"


def openrouter(code: int, message: str, **metadata: object) -> dict:
    return {"error": {"message": message, "code": code, "metadata": metadata}, "user_id": "user_1"}


def generic(code: int, raw: object, **metadata: object) -> dict:
    return openrouter(code, "Provider returned error", raw=raw, **metadata)


CREDITS = (
    "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford "
    f"3395. To increase, visit {UPGRADE} and upgrade to a paid account"
)
SHARED = (
    "z-ai/glm-5.3-flash is temporarily rate-limited upstream. Please retry shortly, or add your own key to accumulate "
    "your rate limits: https://internal.example/settings/integrations"
)
LONG = (
    "This endpoint's maximum context length is 16384 tokens. However, you requested about 26265 tokens (26255 of text "
    "input, 10 in the output). Please reduce the length of either one."
)
FLAGGED = (
    'anthropic/claude-3-5-haiku requires moderation on Amazon Bedrock. Your input was flagged for "self-harm/intent". '
    "No credits were charged."
)
NO_PROVIDERS = "No allowed providers are available for the selected model."
NO_JSON_WORD = "Response input messages must contain the word 'json' in some form to use 'text.format'."
OPENROUTER = {
    "context before any provider": Case(
        400, openrouter(400, LONG, provider_name=None, previous_errors=[{"code": 400, "message": LONG}]), TOO_LONG
    ),
    "context by its type": Case(
        400, openrouter(400, "Too long.", error_type="context_length_exceeded", provider_code="x"), TOO_LONG
    ),
    "invalid, by OpenAI behind": Case(
        400,
        generic(
            400,
            json.dumps(
                {"error": {"message": NO_JSON_WORD, "type": "invalid_request_error", "param": "input"}}, indent=2
            ),
            provider_name="OpenAI",
        ),
        INVALID,
    ),
    "an image that cannot be read": Case(
        400,
        openrouter(400, "Could not process the image.", error_type="invalid_image"),
        Told(400, INVALID.type, "invalid_image"),
    ),
    "no key": Case(401, {"error": {"message": "Missing Authentication header", "code": 401}}, CREDENTIALS),
    "key of a deleted user": Case(401, {"error": {"message": f"User not found. {SECRETS}", "code": 401}}, CREDENTIALS),
    "credits": Case(
        402,
        openrouter(402, CREDITS, provider_name=None, previous_errors=[{"code": 402, "message": CREDITS}]),
        CREDENTIALS,
    ),
    "credits for so long a prompt": Case(
        402,
        openrouter(
            402,
            f"Prompt tokens limit exceeded: 230799 > 91442. To increase, visit {UPGRADE}",
            limit_source="openrouter_credits",
        ),
        CREDENTIALS,
    ),
    "budget of requests in flight": Case(
        402,
        openrouter(402, "Too many requests in flight.", limit_source="openrouter_in_flight_budget"),
        LIMITED,
    ),
    "moderation": Case(
        403,
        openrouter(403, FLAGGED, reasons=["self-harm/intent"], flagged_input=SECRETS, provider_name="Amazon Bedrock"),
        POLICY,
    ),
    "guardrail": Case(
        403,
        openrouter(
            403, "Request blocked: prompt injection patterns detected", patterns=["ignore all previous instructions"]
        ),
        POLICY,
    ),
    "refusal as an error": Case(403, openrouter(403, "I cannot help with that.", error_type="refusal"), POLICY),
    "permission": Case(
        403,
        openrouter(403, "Only management keys can perform this operation", error_type="permission_denied"),
        CREDENTIALS,
    ),
    "no tools there": Case(
        404,
        {
            "error": {
                "message": f"No endpoints found that support tool use. To learn more, visit: {UPGRADE}",
                "code": 404,
            }
        },
        UNSUPPORTED,
    ),
    "no images there": Case(
        404, {"error": {"message": "No endpoints found that support image input", "code": 404}}, UNSUPPORTED
    ),
    "data policy": Case(
        404,
        {"error": {"message": f"No endpoints found matching your data policy. Configure: {UPGRADE}", "code": 404}},
        NO_MODEL,
    ),
    "no provider allowed": Case(
        404, openrouter(404, NO_PROVIDERS, available_providers=["novita"], requested_providers=["deepseek"]), NO_MODEL
    ),
    "limit of a shared pool": Case(
        429,
        generic(429, SHARED, provider_name="BaseTen", limit_source="upstream_provider_shared_pool", is_byok=False),
        LIMITED,
    ),
    "limit, a page behind": Case(429, generic(429, "error code: 1015", provider_name="Kluster"), LIMITED),
    "limit of a day": Case(
        429,
        openrouter(
            429,
            "Rate limit exceeded: free-models-per-day",
            headers={"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1743292800000"},
            provider_name="Google AI Studio",
        ),
        LIMITED,
    ),
    "provider behind is down": Case(
        502,
        openrouter(502, "Upstream error from Nvidia: Internal server error", error_type="provider_unavailable"),
        FAILED,
    ),
    "provider behind filters": Case(
        502,
        openrouter(
            502,
            "Upstream error from Alibaba: Output data may contain inappropriate content.",
            error_type="provider_unavailable",
        ),
        POLICY,
    ),
    "edge": Case(524, {"error": {"message": "Request timed out. Please try again later.", "code": 524}}, LATE),
    "provider behind is overloaded": Case(
        529, openrouter(529, "Provider returned error", error_type="provider_overloaded"), OVERLOADED
    ),
}
OLLAMA = {
    "context, with the status beside it": Case(
        400,
        {
            "StatusCode": 400,
            "Status": "400 Bad Request",
            "error": "prompt too long; exceeded max context length by 4 tokens",
        },
        TOO_LONG,
    ),
    "context of an embedding": Case(400, {"error": "the input length exceeds the context length"}, TOO_LONG),
    "image for a model without eyes": Case(
        500, {"error": "this model is missing data required for image input"}, UNSUPPORTED
    ),
    "image for a model without eyes, in the cloud": Case(
        400,
        {"error": "this model does not support image input (ref: b8bd630e-4a39-4b57-82af-9158ee9d5703)"},
        UNSUPPORTED,
    ),
    "image that is none": Case(
        500, {"error": "Failed to create new sequence: failed to process inputs: image: unknown format"}, INVALID
    ),
    "image that is none, earlier": Case(400, {"error": "invalid image input"}, INVALID),
    "signed out": Case(
        401,
        {"error": "unauthorized", "signin_url": "https://internal.example/connect?name=box&key=canary"},
        CREDENTIALS,
    ),
    "subscription": Case(
        403, {"error": f"this model requires a subscription, upgrade for access: {UPGRADE}"}, CREDENTIALS
    ),
    "session": Case(
        429,
        {"error": f"you (canary) have reached your session usage limit, upgrade for higher limits: {UPGRADE}"},
        LIMITED,
    ),
    "week": Case(429, {"error": "you've reached your weekly usage limit, please wait or upgrade to continue"}, LIMITED),
    "runner": Case(
        500,
        {"error": "model runner has unexpectedly stopped, this may be due to resource limitations"},
        FAILED,
    ),
    "runner's port": Case(500, {"error": 'POST predict: Post "http://127.0.0.1:63330/completion": EOF'}, FAILED),
    "cloud": Case(500, {"error": "Internal Server Error (ref: 086957a4-4e9b-490b-9cec-cc2a8da6014d)"}, FAILED),
    "queue": Case(503, {"error": "server busy, please try again.  maximum pending requests exceeded"}, OVERLOADED),
}

# Under a 200: the body of a whole answer, which is an event or a line of a stream too.
CHOICE = {"index": 0, "finish_reason": "error", "message": {"role": "assistant", "content": '{"title": "par'}}
DISCONNECTED = {"code": 502, "message": "Provider disconnected", "metadata": {"error_type": "provider_unavailable"}}
GENERATION = {"id": "gen-1", "created": 1_700_000_000, "model": "z-ai/glm-4.6", "provider": "Nvidia"}
OPENROUTER_INSIDE = {
    "at the top": (GENERATION | openrouter(429, "Slow down."), LIMITED),
    "at the top, with a choice": (GENERATION | {"error": DISCONNECTED, "choices": [CHOICE]}, FAILED),
    "at the choice": (GENERATION | {"choices": [CHOICE | {"error": DISCONNECTED}]}, FAILED),
    "at the choice, of a load": (
        GENERATION | {"choices": [CHOICE | {"error": {"metadata": {"error_type": "provider_overloaded"}}}]},
        OVERLOADED,
    ),
    "in no word": (GENERATION | {"choices": [CHOICE], "usage": {"prompt_tokens": None, "total_tokens": 0}}, FAILED),
    "words of the provider behind": (
        GENERATION | generic(400, '{"error":{"message":"prompt is too long: 9 tokens"}}'),
        TOO_LONG,
    ),
    "a filter's": (
        GENERATION | openrouter(502, "Upstream error from Alibaba: Input data may contain inappropriate content."),
        POLICY,
    ),
    "without a status of an error": ({"error": {"code": 200, "metadata": {"error_type": "timeout"}}}, LATE),
}
OLLAMA_INSIDE = {
    "model": ({"error": "an error was encountered while running the model: unexpected EOF"}, FAILED),
    "image": ({"error": "Failed to create new sequence: failed to process inputs: image: unknown format"}, INVALID),
    "subscription": ({"error": f"this model requires a subscription, upgrade for access: {UPGRADE}"}, CREDENTIALS),
    "week": ({"error": "you (canary) have reached your weekly usage limit"}, LIMITED),
}  # fmt: skip
