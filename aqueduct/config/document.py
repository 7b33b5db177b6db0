"""The format of `aqueduct.yaml` as Structs; must not know YAML, the database or what is already configured.

The descriptions are what the JSON Schema and `docs/aqueduct-yaml.md` show. Rules that a type cannot express are in
`aqueduct.config.rules`.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from aqueduct.usage.pricing import Meter, Tier

STORED_SECRET: Final = "<stored>"  # noqa: S105 - a placeholder
"""What `export` writes for a secret that is encrypted in the database; `apply` leaves that secret as it is."""
DEFAULT_QUIRKS: Final = "default"
DEFAULT_PER: Final = 1_000_000
ENV_PREFIX: Final = "env:"
HASH_PREFIX: Final = "sha256:"

SLUG: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
NAME: Final = r"^[^/\x00-\x1f\x7f]{1,100}$"
COST_CENTER: Final = r"^[^\x00-\x1f\x7f]{1,100}$"
EMAIL: Final = r"^[^@\s]{1,64}@[^@\s]{1,189}$"
PROVIDER_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
MODEL_NAME: Final = r"^(\*|[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,198}\*?)$"
MCP_SERVER: Final = r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,62}\*?)$"
ALIAS: Final = r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$"
TEAM_REFERENCE: Final = r"^[a-z0-9][a-z0-9_-]{0,62}/[^/\x00-\x1f\x7f]{1,100}$"
OWNER: Final = r"^(user:.+@.+|team:[^/]+/[^/]+|service:[^/]+/[^/]+/[^/]+)$"
SUBJECT: Final = r"^(org:[^/]+|team:[^/]+/[^/]+|user:.+@.+|service:[^/]+/[^/]+/[^/]+|token:.+)$"
URL: Final = r"^https?://[!-~]+$"
AMOUNT: Final = r"^[0-9]{1,12}(\.[0-9]{1,12})?$"
HASH_OR_ENV: Final = r"^(sha256:[0-9a-f]{64}|env:[A-Za-z_][A-Za-z0-9_]*)$"

Metric = Literal["requests", "input_tokens", "output_tokens", "total_tokens", "cost", "concurrency"]
Window = Literal["second", "minute", "hour", "day", "week", "month", "total"]
Operation = Literal["chat", "completions", "embeddings", "rerank"]
ExtraParams = Literal["drop", "reject", "forward"]
MultipleAnswers = Literal["auto", "fan_out", "reject"]
SchemaCheck = Literal["off", "report", "repair"]
AutoCache = Literal["5m", "1h"]


def _text(description: str, pattern: str | None = None) -> Meta:
    return Meta(description=description, extra_json_schema={} if pattern is None else {"pattern": pattern})


class Team(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A team of an organisation."""

    name: Annotated[str, _text("Unique in the organisation; elsewhere the team is called `org/name`.", NAME)]
    cost_center: Annotated[
        str | None, _text("What the team's usage is booked to; `aqueduct usage report --by cost-center`.", COST_CENTER)
    ] = None
    enabled: Annotated[bool, _text("`false` refuses the tokens of the team and of its service accounts.")] = True


class User(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A person."""

    email: Annotated[str, _text("Unique in the whole gateway; upper and lower case are the same.", EMAIL)]
    name: Annotated[str | None, _text("Shown to people.")] = None
    admin: Annotated[bool, _text("Whether the user administers the organisation.")] = False
    enabled: Annotated[bool, _text("`false` refuses every token of the user.")] = True


class ServiceAccount(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A program that calls the gateway by itself, on behalf of a team."""

    name: Annotated[str, _text("Unique in the team.", NAME)]
    team: Annotated[str, _text("The name of a team of the same organisation.", NAME)]
    enabled: Annotated[bool, _text("`false` refuses every token of the service account.")] = True


class Org(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An organisation: a tenant of the gateway."""

    slug: Annotated[str, _text("Short unique name: lower-case letters, digits, `-` and `_`.", SLUG)]
    name: Annotated[str | None, _text("Shown to people; absent: the slug.")] = None
    enabled: Annotated[bool, _text("`false` refuses every token of the organisation.")] = True
    default_team: Annotated[str | None, _text("The team of users who are in no other, one of `teams`.", NAME)] = None
    terms: Annotated[
        str | None,
        _text("Version of the terms of service that users must have accepted; another version asks them anew."),
    ] = None
    teams: Annotated[tuple[Team, ...] | UnsetType, _text("Teams of the organisation.")] = UNSET
    users: Annotated[tuple[User, ...] | UnsetType, _text("People of the organisation.")] = UNSET
    service_accounts: Annotated[
        tuple[ServiceAccount, ...] | UnsetType, _text("Programs of the organisation's teams.")
    ] = UNSET


class Membership(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A user's place in a team."""

    team: Annotated[str, _text("`org/team`.", TEAM_REFERENCE)]
    user: Annotated[str, _text("The user's e-mail address, of the same organisation.", EMAIL)]
    admin: Annotated[bool, _text("Whether the user administers the team.")] = False


class Token(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A token that exists already, declared by its hash; `aqueduct token create` makes new ones."""

    name: Annotated[str, _text("Tells people which token it is; unique where a grant names the token.", NAME)]
    owner: Annotated[str, _text("`user:EMAIL`, `team:ORG/TEAM` or `service:ORG/TEAM/NAME`.", OWNER)]
    token: Annotated[
        str,
        _text("`sha256:` and the 64 hex digits of the token's hash, or `env:NAME` of a variable with it.", HASH_OR_ENV),
    ]
    expires: Annotated[
        str | None, _text("ISO date or date and time (UTC if no offset) after which it is refused; absent: never.")
    ] = None


class Provider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An account at a model provider, or a model server of your own."""

    name: Annotated[str, _text("Unique; deployments refer to it.", PROVIDER_NAME)]
    adapter: Annotated[str, _text("The dialect that it speaks; `aqueduct doctor` lists what is installed.")]
    base_url: Annotated[
        str, _text("Where it is: `http` or `https`, any host and path prefix; empty: the adapter's own default.")
    ] = ""
    secret: Annotated[
        str | None,
        _text(
            "Its API key: `env:NAME` names a variable of the gateway's environment; any other text is the key itself, "
            f"encrypted at rest with `AQUEDUCT_SECRET_KEY`; `{STORED_SECRET}` keeps the one that is stored."
        ),
    ] = None
    quirks: Annotated[str, _text("For OpenAI-compatible servers: the product, for example `vllm` or `ollama`.")] = (
        DEFAULT_QUIRKS
    )
    options: Annotated[
        Mapping[str, str], _text("Options of the adapter, texts by name, for example `api_version`.")
    ] = {}
    headers: Annotated[
        Mapping[str, str], _text("Sent with every request to the provider; credentials belong into `secret`.")
    ] = {}
    enabled: Annotated[bool, _text("`false` takes all its deployments out of service.")] = True


class Timeouts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Bounds on one call to a deployment, in seconds."""

    connect_s: Annotated[float | None, _text("Until the connection stands; absent: 10.")] = None
    first_byte_s: Annotated[float | None, _text("Until the answer begins; absent: 300.")] = None
    idle_s: Annotated[float | None, _text("Between two reads of an answer; absent: 120.")] = None


NO_TIMEOUTS: Final = Timeouts()


class Deployment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A model at a provider account."""

    provider: Annotated[str, _text("The name of a provider.", PROVIDER_NAME)]
    upstream_model: Annotated[
        str | None,
        _text(
            "What the provider calls the model; absent: as here, and under a wildcard what `*` stands for. A `*` in it "
            "is replaced by what the wildcard stands for."
        ),
    ] = None
    priority: Annotated[int, _text("Lower is tried first.")] = 0
    weight: Annotated[int, _text("Share of the requests among deployments of the same priority.")] = 1
    timeouts: Annotated[Timeouts, _text("Bounds on one call.")] = NO_TIMEOUTS
    enabled: Annotated[bool, _text("`false` takes it out of service.")] = True


class Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A model under its public name."""

    name: Annotated[
        str, _text("What clients send; `openai/*` stands for every name that begins with `openai/`.", MODEL_NAME)
    ]
    aliases: Annotated[tuple[str, ...], _text("Further names for the same model; not for wildcards.")] = ()
    operations: Annotated[
        tuple[Operation, ...], _text("What it may be used for; absent: all that the adapter can do.")
    ] = ()
    context_window: Annotated[int | None, _text("Tokens of prompt and answer together.")] = None
    max_output_tokens: Annotated[int | None, _text("The longest answer, in tokens; at most `context_window`.")] = None
    request_weight: Annotated[int, _text("What one request counts against limits on requests.")] = 1
    extra_params: Annotated[
        ExtraParams, _text("What happens to request fields that the provider has no equivalent for.")
    ] = "drop"
    signature_vault: Annotated[
        bool | None,
        _text(
            "Whether signed reasoning is kept for clients that drop it; absent: where a deployment's provider wants it "
            "back."
        ),
    ] = None
    multiple_answers: Annotated[
        MultipleAnswers,
        _text(
            "How `n > 1` is answered: by as many calls at once where the provider has no `n` (`auto`), always so, or "
            "not at all where the provider has no `n`."
        ),
    ] = "auto"
    schema_check: Annotated[
        SchemaCheck,
        _text(
            "Whether answers are held against the JSON schema that the client gave: told in "
            "`x-aqueduct-schema-valid` (`report`), a wrong answer also asked for once more (`repair`), or not: "
            "`'off'`, in quotes."
        ),
    ] = "report"
    auto_cache: Annotated[
        AutoCache | None,
        _text(
            "How long prompts are cached at providers that want cache breakpoints, where the client sets none; absent: "
            "only what the client marks."
        ),
    ] = None
    fetch_media: Annotated[
        bool | None,
        _text(
            "Whether the gateway fetches images and files at web addresses for providers that read none, where "
            "`AQUEDUCT_MEDIA_FETCH` is not `off`; absent: as the provider's option of this name, or that setting, says."
        ),
    ] = None
    max_queries: Annotated[
        int | None,
        _text(
            "How many searches one answer may take, where searches have a price: reserved of budgets, and told to "
            "providers that take a bound; 0: none; absent: 10."
        ),
    ] = None
    max_seconds: Annotated[
        int | None,
        _text(
            "How long one recording in a request is at most, in seconds, where seconds have a price: reserved of "
            "budgets; absent: 1800."
        ),
    ] = None
    owned_by: Annotated[str | None, _text("Shown in the list of models; absent: the gateway's own choice.")] = None
    deployments: Annotated[
        tuple[Deployment, ...] | UnsetType, _text("Where it runs; a model without one answers with 503.")
    ] = UNSET
    enabled: Annotated[bool, _text("`false` hides the model.")] = True


class McpServer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A server of tools that speaks the Model Context Protocol over HTTP. There are no servers by command line."""

    name: Annotated[str, _text("Unique; grants refer to it, and callers are told it.", PROVIDER_NAME)]
    title: Annotated[str | None, _text("Shown to people; absent: the name.")] = None
    description: Annotated[str | None, _text("What it is for.")] = None
    url: Annotated[str, _text("Its endpoint: `http` or `https`, any host and path.", URL)]
    headers: Annotated[
        Mapping[str, str],
        _text(
            "Sent with every request to it, credentials too: `env:NAME` names a variable of the gateway's environment; "
            "any other text is the value itself, encrypted at rest with `AQUEDUCT_SECRET_KEY`; "
            f"`{STORED_SECRET}` keeps the one that is stored."
        ),
    ] = {}
    enabled: Annotated[bool, _text("`false` hides it.")] = True


class Grant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which models and MCP servers a subject may use. Without any grant all are open; every grant narrows that."""

    subject: Annotated[
        str, _text("`org:SLUG`, `team:ORG/TEAM`, `user:EMAIL`, `service:ORG/TEAM/NAME` or `token:NAME`.", SUBJECT)
    ]
    allow: Annotated[
        tuple[str, ...], _text("If there is one `allow`, the subject sees only what matches: names, `vendor/*`, `*`.")
    ] = ()
    deny: Annotated[tuple[str, ...], _text("What the subject does not see; no other grant brings it back.")] = ()
    allow_mcp_servers: Annotated[
        tuple[str, ...], _text("As `allow`, for MCP servers: names, `search-*`, `*`. Models do not count here.")
    ] = ()
    deny_mcp_servers: Annotated[tuple[str, ...], _text("As `deny`, for MCP servers.")] = ()


class Limit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How much a subject may use, for one model or for all; see [limits](limits.md)."""

    subject: Annotated[
        str, _text("`org:SLUG`, `team:ORG/TEAM`, `user:EMAIL`, `service:ORG/TEAM/NAME` or `token:NAME`.", SUBJECT)
    ]
    metric: Annotated[Metric, _text("What is counted.")]
    amount: Annotated[int | float, _text("How much; `cost` in units of the currency, to six decimals.")]
    window: Annotated[Window | None, _text("In what time; required but for `concurrency`, which has none.")] = None
    calendar: Annotated[
        bool | None,
        _text("Whether a day, week or month is that of the calendar, or slides; absent: the calendar's for `cost`."),
    ] = None
    model: Annotated[str | None, _text("A model's name or `vendor/*`; absent: all models together.", MODEL_NAME)] = None
    mode: Annotated[Literal["enforce", "shadow"], _text("`shadow` counts and shows, and never refuses.")] = "enforce"
    each: Annotated[
        Literal["subject", "member"],
        _text("`member`: every user, service account and ownerless token below the subject has the amount for itself."),
    ] = "subject"


class Price(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a model or one deployment costs, for one meter; see [usage](usage.md#what-it-costs)."""

    model: Annotated[str, _text("The name of a model.", MODEL_NAME)]
    provider: Annotated[
        str | None, _text("The price is that of the model's deployment at this provider; absent: the model's.")
    ] = None
    upstream_model: Annotated[
        str | None, _text("Which deployment at `provider`; absent: the one that has no `upstream_model` either.")
    ] = None
    meter: Annotated[Meter, _text("What is counted.")]
    amount: Annotated[
        str, _text("Units of the currency as a decimal text in quotes, to 12 decimals per single unit.", AMOUNT)
    ]
    per: Annotated[int, _text("For how many units of the meter the amount is: 1, 1000 or 1000000.")] = DEFAULT_PER
    tier: Annotated[Tier, _text("The service tier that it holds for.")] = "standard"
    above_tokens: Annotated[int, _text("Holds for requests with more prompt tokens than this.")] = 0
    valid_from: Annotated[
        str | None,
        _text("ISO date or date and time (UTC if no offset) from which on it holds; absent: it always has."),
    ] = None


class Document(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an `aqueduct.yaml` may say. All keys are optional; what is absent is left as it is."""

    orgs: Annotated[tuple[Org, ...] | UnsetType, _text("Organisations, their teams, users and service accounts.")] = (
        UNSET
    )
    memberships: Annotated[tuple[Membership, ...] | UnsetType, _text("Which user is in which team.")] = UNSET
    tokens: Annotated[tuple[Token, ...] | UnsetType, _text("Tokens that exist already, by hash.")] = UNSET
    providers: Annotated[tuple[Provider, ...] | UnsetType, _text("Provider accounts and model servers.")] = UNSET
    models: Annotated[tuple[Model, ...] | UnsetType, _text("Models and where they run.")] = UNSET
    mcp_servers: Annotated[tuple[McpServer, ...] | UnsetType, _text("Servers of tools.")] = UNSET
    grants: Annotated[tuple[Grant, ...] | UnsetType, _text("Who may use which model and which MCP server.")] = UNSET
    limits: Annotated[tuple[Limit, ...] | UnsetType, _text("How much who may use.")] = UNSET
    prices: Annotated[tuple[Price, ...] | UnsetType, _text("What models cost.")] = UNSET


Section = Org | Membership | Token | Provider | Model | McpServer | Grant | Limit | Price
SECTIONS: Final[dict[str, type[Section]]] = {
    "orgs": Org,
    "memberships": Membership,
    "tokens": Token,
    "providers": Provider,
    "models": Model,
    "mcp_servers": McpServer,
    "grants": Grant,
    "limits": Limit,
    "prices": Price,
}
NESTED: Final[dict[str, type[Struct]]] = {
    "teams": Team,
    "users": User,
    "service_accounts": ServiceAccount,
    "deployments": Deployment,
    "timeouts": Timeouts,
}
