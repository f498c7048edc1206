"""What holds for all tests."""

from hypothesis import settings

# A deadline per example measures the machine, not the code
settings.register_profile("ringback", deadline=None)
settings.load_profile("ringback")
