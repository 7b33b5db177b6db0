"""The order in which a model's deployments are tried: by priority, then at random by weight."""

from random import Random

from adapters.base import Deployment
from aqueduct.catalog.snapshot import RoutedDeployment


def plan(deployments: tuple[RoutedDeployment, ...], random: Random) -> tuple[Deployment, ...]:
    """Return the deployments in the order of attempts; lower `priority` first, `weight` is relative within one."""
    if len(deployments) == 1:
        return (deployments[0].deployment,)
    # Weighted sampling without replacement: the largest u^(1/w) first (Efraimidis and Spirakis 2006).
    keyed = [
        (routed.priority, -(random.random() ** (1.0 / routed.weight)) if routed.weight > 0 else 1.0, index)
        for index, routed in enumerate(deployments)
    ]
    return tuple(deployments[index].deployment for _, _, index in sorted(keyed))
