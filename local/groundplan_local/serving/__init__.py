"""Endpoints that really answer: models, configurations and endpoints, and the model's own inference script."""
