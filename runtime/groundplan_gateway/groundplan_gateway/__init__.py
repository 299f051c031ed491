"""The gateway: one ASGI application between the application account and the models."""
