"""The keys of `aqueduct.yaml` as tables for `docs/aqueduct-yaml.md`, from the Structs; must not know the page."""

from msgspec import NODEFAULT, Struct, UnsetType, inspect
from msgspec.inspect import Field, Metadata

from aqueduct.config.document import NO_TIMEOUTS


def table(struct: type[Struct]) -> str:
    """Return one Markdown table: key, type, default, meaning."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    info = inspect.type_info(struct)
    if not isinstance(info, inspect.StructType):
        raise TypeError(struct)
    lines += [
        f"| `{field.name}` | {_type(field.type)} | {_default(field)} | {_escaped(_description(field.type))} |"
        for field in info.fields
    ]
    return "\n".join(lines) + "\n"


_PLAIN = {
    inspect.StrType: "text",
    inspect.IntType: "whole number",
    inspect.FloatType: "number",
    inspect.BoolType: "`true`, `false`",
    inspect.DictType: "texts by name",
}


def _type(kind: inspect.Type) -> str:
    match kind:
        case Metadata(type=inner):
            return _type(inner)
        case inspect.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case inspect.VarTupleType(item_type=item):
            return f"list of {_type(item)}"
        case inspect.StructType(cls=cls):
            return f"[{cls.__name__}](#{cls.__name__.lower()})"
        case inspect.UnionType(types=types):
            return " or ".join(_type(one) for one in types if not isinstance(one, inspect.NoneType))
        case _:
            return _PLAIN[type(kind)]


def _default(field: Field) -> str:
    if field.required:
        return "required"
    value: object = field.default
    if value is NODEFAULT or value is None or value in ((), "") or value == NO_TIMEOUTS or isinstance(value, UnsetType):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _description(kind: inspect.Type) -> str:
    found = kind.extra_json_schema if isinstance(kind, Metadata) else None
    return str((found or {}).get("description", ""))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
