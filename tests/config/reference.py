"""The keys of `aqueduct.yaml` as tables for `docs/aqueduct-yaml.md`, from the Structs; must not know the page."""

import inspect

import msgspec
from msgspec import NODEFAULT, Struct, UnsetType
from msgspec.inspect import Field, Metadata

from aqueduct.config.document import NO_TIMEOUTS


def table(struct: type[Struct]) -> str:
    """Return one Markdown table: key, type, default, meaning."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    info = msgspec.inspect.type_info(struct)
    if not isinstance(info, msgspec.inspect.StructType):
        raise TypeError(struct)
    lines += [
        f"| `{field.name}` | {_type(field.type)} | {_default(field)} | {_escaped(_description(field.type))} |"
        for field in info.fields
    ]
    return "\n".join(lines) + "\n"


def summary(struct: type[Struct]) -> str:
    """Return what a Struct is, in its own words."""
    return inspect.cleandoc(struct.__doc__ or "")


def _type(kind: msgspec.inspect.Type) -> str:
    match kind:
        case Metadata(type=inner):
            return _type(inner)
        case msgspec.inspect.StrType():
            return "text"
        case msgspec.inspect.IntType():
            return "whole number"
        case msgspec.inspect.FloatType():
            return "number"
        case msgspec.inspect.BoolType():
            return "`true`, `false`"
        case msgspec.inspect.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case msgspec.inspect.VarTupleType(item_type=item):
            return f"list of {_type(item)}"
        case msgspec.inspect.DictType():
            return "texts by name"
        case msgspec.inspect.StructType(cls=cls):
            return f"[{cls.__name__}](#{cls.__name__.lower()})"
        case msgspec.inspect.UnionType(types=types):
            return " or ".join(_type(one) for one in types if not isinstance(one, msgspec.inspect.NoneType))
        case _:
            raise TypeError(kind)


def _default(field: Field) -> str:
    if field.required:
        return "required"
    value: object = field.default
    if value is NODEFAULT or value is None or value in ((), "") or value == NO_TIMEOUTS or isinstance(value, UnsetType):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _description(kind: msgspec.inspect.Type) -> str:
    found = kind.extra_json_schema if isinstance(kind, Metadata) else None
    return str((found or {}).get("description", ""))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
