"""The order of attempts: by priority, then at random by weight."""

from collections import Counter
from random import Random

from adapters.base import Deployment
from aqueduct.catalog.snapshot import RoutedDeployment
from aqueduct.routing.plan import plan


def routed(name: str, priority: int = 0, weight: int = 1) -> RoutedDeployment:
    deployment = Deployment(id=name, model="m", provider="p", adapter="echo", upstream_model="u")
    return RoutedDeployment(deployment, priority, weight)


def names(deployments: tuple[Deployment, ...]) -> list[str]:
    return [deployment.id for deployment in deployments]


def test_plan_without_deployments_is_empty() -> None:
    assert plan((), Random(1)) == ()


def test_plan_holds_every_deployment_once_lower_priorities_first() -> None:
    deployments = tuple(routed(f"{priority}-{number}", priority) for priority in (2, 0, 1) for number in range(3))

    for seed in range(50):
        found = names(plan(deployments, Random(seed)))
        assert sorted(found) == sorted(item.deployment.id for item in deployments)
        assert [name[0] for name in found] == sorted(name[0] for name in found)


def test_plan_shares_first_places_by_weight() -> None:
    deployments = (routed("three", weight=3), routed("one", weight=1))
    random = Random(7)

    first = Counter(names(plan(deployments, random))[0] for _ in range(8000))

    assert 0.73 < first["three"] / 8000 < 0.77


def test_plan_weight_zero_comes_last_within_its_priority() -> None:
    deployments = (routed("zero", weight=0), routed("some", weight=1), routed("later", priority=1, weight=100))

    for seed in range(50):
        assert names(plan(deployments, Random(seed))) == ["some", "zero", "later"]


def test_plan_of_one_deployment_draws_no_random_number() -> None:
    random = Random(3)
    before = random.getstate()

    assert names(plan((routed("only"),), random)) == ["only"]
    assert random.getstate() == before


def test_plan_huge_weights_do_not_overflow() -> None:
    assert len(plan((routed("a", weight=2**31 - 1), routed("b", weight=1)), Random(1))) == 2
