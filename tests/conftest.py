"""How Hypothesis draws its examples: always the same, as a test that fails once in many tells nothing of a change.

Others are drawn by `pytest --hypothesis-profile=explore`, which is for looking for what these do not show.
"""

from hypothesis import settings

# A machine that stands still for a moment is no failure.
settings.register_profile("gate", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("gate")
