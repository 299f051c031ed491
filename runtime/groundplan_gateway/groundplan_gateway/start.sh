#!/bin/sh
# How Lambda starts the gateway, behind the Lambda Web Adapter, which says by AWS_LWA_PORT where it asks.
cd "${LAMBDA_TASK_ROOT:?}" || exit 1
exec python3 -m uvicorn --factory groundplan_gateway.asgi:gateway --host 127.0.0.1 --port "${AWS_LWA_PORT:-8080}" --no-access-log
