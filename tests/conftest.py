"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# Deadlines and the check for slow generation measure how busy the machine is, not the code
settings.register_profile("ringback", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ringback")
