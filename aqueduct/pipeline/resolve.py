"""From the model name that a client sent to a model that the caller may use and that can do the operation."""

from typing import Final

from adapters import registry
from aqueduct.auth.principal import Principal
from aqueduct.catalog.snapshot import ResolvedModel, Snapshot
from aqueduct.errors import GatewayError, invalid_request, model_not_found, unavailable

NOT_FOR_CLIENTS: Final = frozenset({"model_discovery"})
"""Operations of adapters that no endpoint has."""


def resolve(snapshot: Snapshot, principal: Principal, name: str, operation: str) -> ResolvedModel:
    """Return the model; raises `GatewayError` 404 where it is missing or hidden, 400 where it cannot do `operation`."""
    model = snapshot.resolve(name)
    if model is None or not snapshot.may_use(principal, model.name):
        raise model_not_found(name)
    if not model.deployments:
        raise no_deployment(name)
    if model.operations and operation not in model.operations:
        raise unsupported(model, operation)
    return model


def unsupported(model: ResolvedModel, operation: str) -> GatewayError:
    """Return the 400 for what a model cannot do; it names what it can."""
    able = model.operations or {
        found for one in model.deployments for found in _operations(one.deployment.adapter) - NOT_FOR_CLIENTS
    }
    beside = f"; it supports {', '.join(sorted(able))}" if able else ""
    message = f"The model '{model.name}' does not support {operation}{beside}."
    return invalid_request("unsupported_operation", message, "model")


def _operations(adapter: str) -> frozenset[str]:
    try:
        return registry.operations(registry.adapter_class(adapter))
    except registry.AdapterUnavailableError:
        return frozenset()


def no_deployment(name: str) -> GatewayError:
    """Return the 503 for a model that no enabled deployment serves."""
    return unavailable("no_healthy_deployment", f"No deployment of the model '{name}' is available right now.", 5.0)
