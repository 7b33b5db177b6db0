"""Settings that every test run shares; it must not know any package of the product."""

import os

from hypothesis import HealthCheck, settings

# The same examples on every run: a red build can be repeated, and a slow machine is not a failure.
settings.register_profile(
    "ci", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
# New examples on every run, many of them: `HYPOTHESIS_PROFILE=search make test` looks for new failures.
settings.register_profile("search", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
