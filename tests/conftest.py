"""For all tests."""

import os

from hypothesis import HealthCheck, settings

# Time says how busy the machine is and not whether the code is right. Where CI is set Hypothesis has a profile of its own, which says
# the same and draws the same examples each time.
settings.register_profile("anywhere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
if not os.environ.get("CI"):
    settings.load_profile("anywhere")
