"""From the model name that a client sent to a model that the caller may use and that can do the operation."""

from aqueduct.auth.principal import Principal
from aqueduct.catalog.snapshot import ResolvedModel, Snapshot
from aqueduct.errors import ErrorType, GatewayError, invalid_request, model_not_found


def resolve(snapshot: Snapshot, principal: Principal, name: str, operation: str) -> ResolvedModel:
    """Return the model; raises `GatewayError` 404 where it is missing or hidden, 400 where it cannot do `operation`."""
    model = snapshot.resolve(name)
    if model is None or not snapshot.may_use(principal, model.name):
        raise model_not_found(name)
    if not model.deployments:
        raise no_deployment(name)
    if model.operations and operation not in model.operations:
        raise invalid_request("unsupported_operation", f"The model '{name}' does not support {operation}.", "model")
    return model


def no_deployment(name: str) -> GatewayError:
    """Return the 503 for a model that no enabled deployment serves."""
    return GatewayError(
        503,
        "no_healthy_deployment",
        f"No deployment of the model '{name}' is available right now.",
        kind=ErrorType.GATEWAY_OVERLOADED,
        error_type="server_error",
        retry_after_s=5.0,
    )
