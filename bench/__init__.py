"""What the gateway adds to a request, as ratios to nginx `proxy_pass` in the same run (see docs/performance.md).

    python -m bench [--quick] [--runs N] [--only cpu,latency,…] [--peers] [--json PATH] [--write-docs]

Nothing here is imported by the gateway, and the gateway has no mode for it: it is started as a user starts it.
"""
