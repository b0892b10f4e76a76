"""How long the tests that draw their own examples look for a fault.

`.ci/run` draws the same examples each time, so that a commit passes or does not (Hypothesis calls
that the profile `ci`). `scripts/test` draws others at each run, `scripts/explore` twenty times as
many. The profiles must be known before pytest begins: conftest.py imports this.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

USUALLY = 100
"""What Hypothesis draws for a test that asks for no number."""

settings.register_profile(
    "explore",
    max_examples=20 * USUALLY,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


def times() -> int:
    """How often as many examples are drawn as in a usual run."""
    return settings().max_examples // USUALLY


def examples(number: int) -> int:
    return number * times()
