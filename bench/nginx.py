"""nginx twice: the upstream with its fixed reply, and the `proxy_pass` that everything is compared with."""

from pathlib import Path

from bench.bodies import completion
from bench.processes import Launch, free_port

COMMON = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  client_max_body_size 64m;
  client_body_buffer_size 1m;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
{servers}
}}
"""
FIXED = """
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 '{reply}'; }}
  }}
"""
PROXY = """
  upstream provider {{
    server 127.0.0.1:{upstream};
    keepalive 64;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      {buffering}
    }}
  }}
"""


def fixed_upstream(directory: Path) -> Launch:
    """An upstream that answers every request with the same completion."""
    port = free_port()
    reply = completion().decode().replace("\\", "\\\\")
    return configure("fixed upstream", port, FIXED.format(port=port, reply=reply), directory / "upstream")


def proxy(upstream_port: int, directory: Path, *, is_streaming: bool) -> Launch:
    """One worker, connections to the upstream kept; a stream is passed on as it comes, as a gateway must."""
    port = free_port()
    buffering = "proxy_buffering off;" if is_streaming else ""
    return configure("nginx", port, PROXY.format(port=port, upstream=upstream_port, buffering=buffering), directory / "nginx")


def configure(name: str, port: int, servers: str, directory: Path) -> Launch:
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "nginx.conf"
    file.write_text(COMMON.format(directory=directory, servers=servers))
    return Launch(
        name=name,
        command=("nginx", "-e", str(directory / "error.log"), "-p", str(directory), "-c", str(file)),
        port=port,
        path="/v1/chat/completions",
        headers={"Authorization": "Bearer sk-MARKER-bench"},
    )
