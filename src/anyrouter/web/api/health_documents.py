"""What the OpenAPI document says of the routes for probes and operators."""

from anyrouter.web.api.replies import HealthReply, ProbeReply
from anyrouter.web.api.routes import Documented

TAG = "Health"

HEALTH = Documented(
    summary="Tell how the gateway does",
    text="Public. With a key that has usage:read also the upstreams of the key's environment, and where models come from.",
    tag=TAG,
    reply=HealthReply,
    example={
        "status": "ok",
        "version": "0.1.0",
        "upstreams": [
            {
                "id": "openai",
                "provider": "OpenAI",
                "status": "ok",
                "failures": 0,
                "last_error": None,
                "state": "well",
                "targets": [
                    {
                        "model": "openai/gpt-4o",
                        "state": "well",
                        "wait_s": 0.0,
                        "requests": 240,
                        "error_rate": 0.0042,
                        "latency_ms": {"p50": 840.0, "p75": 1180.0, "p90": 1650.0, "p95": 2310.0, "p99": 4550.0},
                        "ttft_ms": {"p50": 310.0, "p75": 370.0, "p90": 520.0, "p95": 730.0, "p99": 1180.0},
                        "throughput": {"p50": 84.0, "p75": 71.0, "p90": 60.0, "p95": 51.0, "p99": 36.0},
                        "uptime_1d": 99.98,
                        "remaining": {"requests": 9831, "tokens": 1994210},
                    }
                ],
            }
        ],
        "catalogue": {
            "models_file": {"status": "ok", "read_at": "2026-11-24T12:00:00Z", "problems": []},
            "model_lists": [{"upstream": "box", "status": "ok", "models": 3, "looked_at": "2026-11-24T12:00:00Z", "last_error": None}],
        },
    },
)
LIVENESS = Documented(
    summary="Tell that the process answers",
    text="For a supervisor: restart the process when this does not answer.",
    tag=TAG,
    reply=ProbeReply,
    example={"status": "ok"},
)
READINESS = Documented(
    summary="Tell whether requests can be served",
    text="For a load balancer: 503 while database or journal cannot be used.",
    tag=TAG,
    reply=ProbeReply,
    example={"status": "ok"},
)
METRICS = Documented(
    summary="Read metrics",
    text="Prometheus' text format. For the machine itself, or with server.metrics_token as a Bearer token; keys do not open it.",
    tag=TAG,
    reply=None,
    example=None,
    content={"text/plain": {"schema": {"type": "string"}, "example": "anyrouter_running_requests 3.0\n"}},
)
