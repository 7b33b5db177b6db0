"""The adapters that the matrix has a column for, and the gateway's configuration in front of their mocks."""

from gateway_fixtures import Mocks
from msgspec import Struct


class Subject(Struct, frozen=True, kw_only=True):
    """A column: an adapter in front of a mock of its provider. `dialect` says how its request bodies are read."""

    name: str
    title: str
    adapter: str
    mock: str
    dialect: str
    upstream_model: str
    base_path: str = ""
    options: tuple[tuple[str, str], ...] = ()
    quirks: str | None = None
    embedding_model: str | None = None
    reasoning_model: str | None = None


VERTEX = (("project", "demo"), ("location", "europe-west4"))
SUBJECTS = (
    Subject(
        name="openai", title="OpenAI", adapter="openai", mock="openai", dialect="openai", base_path="/v1",
        upstream_model="gpt-4o-mini", embedding_model="text-embedding-3-small", reasoning_model="gpt-5-mini",
    ),
    Subject(
        name="openai_compatible", title="compatible (vLLM)", adapter="openai_compatible", quirks="vllm",
        mock="compatible", dialect="openai", base_path="/v1", upstream_model="a-model", embedding_model="an-embedding",
    ),
    Subject(
        name="azure_openai", title="Azure OpenAI", adapter="azure_openai", mock="azure", dialect="openai",
        upstream_model="gpt-4o-mini", embedding_model="text-embedding-3-small", reasoning_model="gpt-5-mini",
    ),
    Subject(
        name="anthropic", title="Anthropic", adapter="anthropic", mock="anthropic", dialect="anthropic",
        upstream_model="claude-sonnet-4-5",
    ),
    Subject(
        name="google", title="Gemini API", adapter="google", mock="google", dialect="google", base_path="/v1beta",
        upstream_model="gemini-2.5-flash", embedding_model="gemini-embedding-001",
    ),
    Subject(
        name="vertex-gemini", title="Vertex, Gemini", adapter="vertex", mock="vertex", dialect="google", options=VERTEX,
        upstream_model="gemini-2.5-flash", embedding_model="text-embedding-005",
    ),
    Subject(
        name="vertex-claude", title="Vertex, Claude", adapter="vertex", mock="vertex_claude", dialect="anthropic",
        options=VERTEX, upstream_model="claude-sonnet-4-5@20250929",
    ),
    Subject(
        name="bedrock", title="Bedrock (Claude)", adapter="bedrock", mock="bedrock", dialect="bedrock",
        upstream_model="eu.anthropic.claude-sonnet-4-5-20250929-v1:0", embedding_model="amazon.titan-embed-text-v2:0",
    ),
    Subject(
        name="cohere", title="Cohere", adapter="cohere", mock="cohere", dialect="cohere",
        upstream_model="command-a-reasoning-08-2025", embedding_model="embed-v4.0",
    ),
    Subject(
        name="mistral", title="Mistral", adapter="mistral", mock="mistral", dialect="openai", base_path="/v1",
        upstream_model="a-model", embedding_model="an-embedding",
    ),
    Subject(
        name="ollama", title="Ollama", adapter="ollama", mock="ollama", dialect="ollama", upstream_model="a-model",
        embedding_model="embedding-model",
    ),
    Subject(
        name="openrouter", title="OpenRouter", adapter="openrouter", mock="openrouter", dialect="openai",
        base_path="/v1", upstream_model="a-model", embedding_model="an-embedding",
    ),
)  # fmt: skip
NAMES = tuple(subject.name for subject in SUBJECTS)


def configuration(mocks: Mocks) -> str:
    """The providers and models of every subject: as they are, with each policy for extra fields, and in a hurry."""
    providers, models = "", ""
    for subject in SUBJECTS:
        base_url = getattr(mocks, subject.mock).url + subject.base_path
        quirks = f", quirks: {subject.quirks}" if subject.quirks else ""
        options = ", ".join(f"{name}: {value}" for name, value in subject.options)
        providers += (
            f"  - {{name: {subject.name}, adapter: {subject.adapter}, base_url: '{base_url}', secret: env:TEST_SECRET"
            f"{quirks}, options: {{{options}}}}}\n"
        )
        deployment = f"provider: {subject.name}, upstream_model: '{subject.upstream_model}'"
        limit = "max_output_tokens: 4096"
        models += f"  - {{name: {subject.name}, {limit}, deployments: [{{{deployment}}}]}}\n"
        for policy in ("reject", "forward"):
            name = f"{subject.name}-{policy}"
            models += f"  - {{name: {name}, {limit}, extra_params: {policy}, deployments: [{{{deployment}}}]}}\n"
        models += f"  - {{name: {subject.name}-cached, {limit}, auto_cache: 5m, deployments: [{{{deployment}}}]}}\n"
        hurry = "timeouts: {first_byte_s: 0.3, idle_s: 0.3}"
        models += f"  - {{name: {subject.name}-hasty, {limit}, deployments: [{{{deployment}, {hurry}}}]}}\n"
        reasons = f"provider: {subject.name}, upstream_model: '{subject.reasoning_model or subject.upstream_model}'"
        models += f"  - {{name: {subject.name}-reasoning, {limit}, deployments: [{{{reasons}}}]}}\n"
        embeds = f"provider: {subject.name}, upstream_model: '{subject.embedding_model or subject.upstream_model}'"
        models += f"  - {{name: {subject.name}-embedding, deployments: [{{{embeds}}}]}}\n"
    return f"providers:\n{providers}models:\n{models}"


def each(reason: str, *names: str) -> dict[str, str]:
    """The same reason for several adapters."""
    return dict.fromkeys(names, reason)


CLAUDE = ("anthropic", "vertex-claude", "bedrock")
GEMINI = ("google", "vertex-gemini")
OPENAI = ("openai", "openai_compatible", "azure_openai")
