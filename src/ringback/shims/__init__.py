"""Tasks of Celery and Django that are pushed to an endpoint by the broker, so that no worker has to run."""
