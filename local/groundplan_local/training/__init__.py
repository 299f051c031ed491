"""Training jobs that really run: the operations of the API, and the container contract without a container."""
