"""A gateway lives a hard life: every kind of success, refusal, failure and end. What it has written and said meanwhile is kept."""

import contextlib
import io
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from anyrouter.cli import app
from anyrouter.core.keys import generate
from support.gateway import GatewayProcess
from support.raw_client import RawClient, raw_request
from support.served import answer_in_its_dialect, run_command
from support.upstream import Answer, Received, ScriptedUpstream, chat_events, json_answer, stream_answer

CREDENTIAL = "sk-MARKER-credential-of-the-upstream-0123456789"
TENANTS = "sk-MARKER-credential-of-a-tenant-9876543210"
PROMPT = "MARKER-prompt: the patient's name is"
OUTPUT = "MARKER-output"
TOKEN = "MARKER-metrics-token"
COOKIE = "MARKER-cookie"
HEADERS = {"user-agent": "MARKER-agent", "cookie": f"session={COOKIE}", "x-title": "MARKER-title"}
STORED_HEADERS = ("user-agent", "http-referer", "x-title", "x-anyrouter-app", "x-anyrouter-title")
WISHES = ("ok", "400", "401", "403", "404", "413", "422", "429", "500", "503", "529", "malformed")
STREAMED_WISHES = ("stream", "cut", "fail", "401", "500")
LABEL_LENGTH = len("ar-live-") + 6


@dataclass
class Life:
    """`said` are replies and outputs of commands by what was asked, `logs` the process's output, `files` contents at some moments."""

    gateway: GatewayProcess
    keys: dict[str, str] = field(default_factory=dict)
    welcomes: list[str] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    sent: list[Received] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    command_line: str = ""

    def hits(self, text: str, *allowed: str) -> list[str]:
        """The secrets in a text, those that are there by half included."""
        halves = [CREDENTIAL[10:35], TENANTS[10:38], *(key[LABEL_LENGTH:] for key in self.keys.values())]
        secrets = [CREDENTIAL, TENANTS, PROMPT, OUTPUT, TOKEN, COOKIE, *self.keys.values(), *halves]
        return [secret for secret in secrets if secret in text and not any(secret in one for one in allowed)]

    def say(self, name: str, reply: httpx.Response) -> None:
        self.said[f"{len(self.said)} {name}"] = f"{reply.status_code} {reply.headers} {reply.text}"


def provider(received: Received) -> Answer:
    """Succeeds, fails and breaks as the request's user says; in errors it repeats what it was sent."""
    body = received.json() if received.body else {"user": "401"}  # doctor asks without one
    wish = body.get("user") or body.get("metadata", {}).get("user_id")
    credential = received.headers.get("authorization") or received.headers["x-api-key"]
    if wish.isdigit():
        error = {"message": f"Incorrect API key provided: {credential}. {PROMPT[:12]}", "code": credential, "param": CREDENTIAL}
        return json_answer({"error": error}, int(wish), set_cookie=CREDENTIAL, location=f"http://x/?key={CREDENTIAL}")
    event = json.dumps({"error": {"message": f"Bearer {CREDENTIAL} is over its limit"}}).encode()
    answers = {
        "malformed": Answer(body=f"{received.headers} {CREDENTIAL}".encode()),
        "stream": stream_answer(*chat_events(f"{OUTPUT} one two")),
        "cut": stream_answer(*chat_events(f"{OUTPUT} one two")[:3], delay_s=0.02, is_cut=True),
        "fail": stream_answer(chat_events(OUTPUT)[0], b"data: %b\n\n" % event, delay_s=0.02),
        "hang": stream_answer(*chat_events(f"{OUTPUT} " + "word " * 200), delay_s=0.05),
    }
    return answers[wish] if wish in answers else answer_in_its_dialect(received)


def bodies(wish: str, *, is_streamed: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """A body for each endpoint that can stream, or for each at all."""
    common = {"messages": [{"role": "user", "content": PROMPT}], "stream": is_streamed}
    yield "chat/completions", {"model": "openai/gpt-4o", "user": wish, **common}
    yield "messages", {"model": "anthropic/claude-sonnet-4-5", "max_tokens": 9, "metadata": {"user_id": wish}, **common}
    if not is_streamed:
        yield "completions", {"model": "openai/gpt-3.5-turbo-instruct", "user": wish, "prompt": PROMPT}
        yield "embeddings", {"model": "openai/text-embedding-3-small", "user": wish, "input": PROMPT}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"} if key else {}


def live_a_round(life: Life) -> None:
    with httpx.Client(base_url=life.gateway.base_url, headers=HEADERS, trust_env=False, timeout=20) as client:
        infer(life, client)
        be_refused(life, client)
        read(life, client)
    misuse(life)


def infer(life: Life, client: httpx.Client) -> None:
    """Successes, errors of the provider's, and streams that end well or not."""
    asked = [(wish, *pair) for wish in WISHES for pair in bodies(wish)]
    asked += [(f"{wish} streamed", *pair) for wish in STREAMED_WISHES for pair in bodies(wish, is_streamed=True)]
    for wish, path, body in asked:
        for name in ("live", "test"):
            life.say(f"{wish} {path} by {name}", client.post(f"/api/v1/{path}", json=body, headers=bearer(life.keys[name])))


def be_refused(life: Life, client: httpx.Client) -> None:
    """Whatever the gateway refuses by itself."""
    live, test = life.keys["live"], life.keys["test"]
    credentials = [life.keys["narrow"], life.keys["blocked"], CREDENTIAL, live[:-1], f"{live}x", f"{live}, {test}", generate("live"), ""]
    for path, body in bodies("ok"):
        good, text = bearer(live), json.dumps(body).encode()
        mistake = f"{'x' * 100}?api_key={live}&key={test}"
        for number, credential in enumerate(credentials):
            life.say(f"refused {number} {path}", client.post(f"/v1/{path}", json=body, headers=bearer(credential)))
        asked: dict[str, dict[str, Any]] = {
            "conflicting": {"json": body, "headers": {**good, "x-api-key": test}},
            "pinned": {"json": body, "headers": {**good, "x-anyrouter-provider": live}},
            "traced": {"json": body, "headers": {**good, "x-anyrouter-trace-id": "x" * 200}},
            "traced by its key": {"json": body, "headers": {**good, "x-anyrouter-trace-id": live}},
            "broken": {"content": text[:-3], "headers": good},
            "redirecting": {"json": {**body, "api_key": CREDENTIAL}, "headers": good},
            "nobody's model": {"json": {**body, "model": "nobody/never-was"}, "headers": good},
            "keyed by query": {"json": body, "params": {"key": live, "api_key": CREDENTIAL}},
            "of a strange type": {"content": text, "headers": {**good, "content-type": f"text/{live}"}},
            "mistaken": {"json": body, "headers": {**good, **dict.fromkeys(STORED_HEADERS, mistake)}},
            "packed": {"content": text, "headers": {**good, "content-encoding": live}},
        }
        for name, arguments in asked.items():
            life.say(f"{name} {path}", client.post(f"/v1/{path}", **arguments))


def read(life: Life, client: httpx.Client) -> None:
    """The reading API with every key, every generation that was made, and what is public."""
    generations = set(re.findall(r"gen-[0-9a-f]{32}", "".join(life.said.values())))
    paths = ["models/openai/gpt-4o", "key", "credits", "activity", "activity?group_by=key", "generation?id=x", "providers", "models/count"]
    paths += [
        "health",
        "readyz",
        "metrics",
        "openapi.json",
        "nowhere",
        f"generation/{life.keys['live']}",
        f"{life.keys['test']}?{CREDENTIAL}",
    ]
    for generation in sorted(generations)[-40:]:
        for name in ("live", "test"):
            life.say(f"{generation} by {name}", client.get(f"/v1/generation/{generation}", headers=bearer(life.keys[name])))
    for path in paths:
        for name, key in {**life.keys, "nobody": "", "the operator": TOKEN}.items():
            life.say(f"{path} by {name}", client.get(f"/api/v1/{path}", headers=bearer(key)))


def manage(life: Life) -> None:
    """What administrators do, twice with one Idempotency-Key, well and badly; and requests over a tenant's own account."""
    admin = bearer(life.keys["admin"])
    with httpx.Client(base_url=f"{life.gateway.base_url}/api/v1", headers={**HEADERS, **admin}, trust_env=False, timeout=20) as client:
        address = life.gateway.environment["OPENAI_BASE_URL"]
        entered = {"provider": "mistral", "name": "ours", "key": TENANTS, "base_url": address, "models": ["mistral/*"]}
        for number in range(2):
            made = client.post("/keys", json={"name": "made"}, headers={"idempotency-key": "make"})
            life.keys.setdefault("made", made.json().get("key") or "")
            life.say(f"made again {number}", made) if number else None
            reply = client.post("/byok", json=entered, headers={"idempotency-key": "enter"})
            life.say(f"entered {number}", reply)
            bad = client.post("/byok", json={**entered, "name": "bad", "key": f"{TENANTS} \n", "base_url": f"http://10.0.0.1/{TENANTS}"})
            life.say(f"entered badly {number}", bad)
        key_id, byok_id = made.json()["data"]["id"], reply.json()["data"]["id"]
        rotated = client.post(f"/keys/{key_id}/rotate", json={"grace_seconds": 60})
        life.keys["rotated"] = rotated.json()["key"]
        life.say("tested", client.post(f"/byok/{byok_id}/test"))
        life.say("changed", client.patch(f"/byok/{byok_id}", json={"name": "theirs"}))
        life.say("changed badly", client.patch(f"/byok/{byok_id}", json={"secret": TENANTS}, headers={"if-match": TENANTS}))
        life.say("revoked", client.post("/keys/revoke", json={"keys": [life.keys["rotated"], TENANTS, "x"]}))
        time.sleep(0.5)
        for wish in (*WISHES, "stream", "cut", "fail"):
            body = {"model": "mistral/mistral-small-latest", "user": wish, "messages": [{"role": "user", "content": PROMPT}]}
            body["stream"] = wish in STREAMED_WISHES
            asked = client.post("/chat/completions", json=body, headers=bearer(life.keys["live"]))
            life.say(f"{wish} over the tenant's", asked)
        for path in (
            "keys",
            f"keys/{key_id}",
            f"keys/{key_id}/usage",
            "byok",
            f"byok/{byok_id}",
            "audit?limit=1000",
            "audit?format=csv",
            "budgets",
        ):
            life.say(f"{path} by an administrator", client.get(f"/{path}"))
        life.say("deleted", client.delete(f"/byok/{byok_id}"))


def lose_tables(life: Life) -> None:
    """Exceptions in every layer of the store, with keys and prompts in scope: nothing answers but errors, and they are logged."""
    tables = ("api_keys", "ledger", "usage_daily", "latest_epoch")
    with contextlib.closing(sqlite3.connect(life.gateway.data_dir / "anyrouter.db", timeout=20, isolation_level=None)) as database:
        for table in tables:
            database.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        with httpx.Client(base_url=life.gateway.base_url, headers=HEADERS, trust_env=False, timeout=20) as client:
            for path, body in bodies("ok"):
                for key in (life.keys["live"], life.keys["test"], generate("live")):
                    life.say(f"without tables {path}", client.post(f"/v1/{path}", json=body, headers=bearer(key)))
            for path in ("key", "credits", "activity", "activity?format=csv", "generation?id=gen-0", "models/count", "readyz"):
                for key in (life.keys["live"], generate("test")):
                    life.say(f"without tables {path}", client.get(f"/api/v1/{path}", headers=bearer(key)))
            time.sleep(0.5)  # for what runs beside the requests
        for table in tables:
            database.execute(f"ALTER TABLE {table}_away RENAME TO {table}")


def misuse(life: Life) -> None:
    """What no HTTP library would send."""
    live = life.keys["live"].encode()
    malformed = [
        b"GET /\0%b HTTP/1.1\r\nHost: x\r\n\r\n" % live,
        b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nX: %b\0\r\n\r\n" % (live, PROMPT.encode()),
        raw_request(b"POST", b"/v1/messages", b"Transfer-Encoding: chunked", key=live) + b"zz\r\n" + PROMPT.encode(),
        raw_request(b"POST", b"/v1/messages", b"Content-Length: 5", b"Content-Length: 6", key=live) + PROMPT.encode(),
        raw_request(b"TRACE", b"/v1/messages", key=live),
        PROMPT.encode() + live + b"\r\n\r\n",
    ]
    for raw in malformed:
        with RawClient(life.gateway.base_url) as client:
            life.said[f"{len(life.said)} malformed"] = client.send(raw).read_rest().decode()


@contextlib.contextmanager
def streaming(life: Life) -> Iterator[None]:
    """A stream is under way inside of the block."""
    _, body = next(bodies("hang", is_streamed=True))
    with RawClient(life.gateway.base_url) as client:
        client.send(raw_request(b"POST", b"/v1/chat/completions", key=life.keys["live"], body=json.dumps(body).encode()))
        assert client.socket.recv(12) == b"HTTP/1.1 200"
        time.sleep(0.2)
        yield


def ask_commands(life: Life) -> None:
    directory = ["--data-dir", str(life.gateway.data_dir)]
    for form in ([], ["--json"]):
        doctor = [sys.executable, "-m", "anyrouter", "doctor", *form, *directory]
        done = subprocess.run(doctor, capture_output=True, text=True, env=life.gateway.environment, check=False)
        life.said[f"{len(life.said)} doctor {form}"] = f"{done.returncode} {done.stdout}{done.stderr}"
        for arguments in (["keys", "list"], ["keys", "show", "live"], ["keys", "show", life.keys["live"]], ["models"]):
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                app.run([*arguments, *form, *directory])
            life.said[f"{len(life.said)} {arguments[:2]} {form}"] = out.getvalue()


def keep_files(life: Life, moment: str) -> None:
    for path in life.gateway.data_dir.rglob("*"):
        if path.is_file():
            life.files[f"{path.relative_to(life.gateway.data_dir)} {moment}"] = path.read_bytes()


def keep_output(life: Life, name: str) -> None:
    """The welcome, which shows the first key on purpose, aside."""
    output = life.gateway.output
    end = output.index("\n", output.rindex("curl ")) if "curl " in output else 0
    life.welcomes.append(output[:end])
    life.logs[name] = output[end:]


def live_it(directory: Path) -> Life:
    """Two rounds: the first with the log in JSON at level debug, ended by kill -9; the second with it for people, ended by SIGTERM."""
    with ScriptedUpstream(provider) as upstream:
        gateway = GatewayProcess(
            directory,
            OPENAI_API_KEY=CREDENTIAL,
            OPENAI_BASE_URL=f"{upstream.url}/v1",
            ANTHROPIC_API_KEY=CREDENTIAL,
            ANTHROPIC_BASE_URL=upstream.url,
            ANYROUTER_LOGGING__LEVEL="debug",
            ANYROUTER_LOGGING__FORMAT="json",
            ANYROUTER_SERVER__METRICS_TOKEN=TOKEN,
            ANYROUTER_SERVER__GRACEFUL_SHUTDOWN_S="1",
            ANYROUTER_BYOK__ALLOWED_HOSTS=f'["{upstream.url.removeprefix("http://")}"]',
        )
        life = Life(gateway, {"test": gateway.first_key})
        for name, *options in (("live",), ("narrow", "--scope", "usage:read"), ("blocked", "--rpm", "0"), ("admin", "--scope", "admin:*")):
            life.keys[name] = run_command(directory, "keys", "create", "--name", name, *options)["key"]
        try:
            live_a_round(life)
            manage(life)
            lose_tables(life)
            with streaming(life):
                life.command_line = Path(f"/proc/{gateway.pid}/cmdline").read_text() if Path("/proc/self/cmdline").exists() else ""
                life.modes = {str(path.relative_to(directory)): path.stat().st_mode for path in (directory, *directory.rglob("*"))}
                keep_files(life, "while it served")
                gateway.kill()
            keep_files(life, "after kill -9")
            keep_output(life, "JSON")
            gateway.environment["ANYROUTER_LOGGING__FORMAT"] = "console"
            gateway.start()
            live_a_round(life)
            ask_commands(life)
            with streaming(life):
                gateway.stop()
            keep_files(life, "after SIGTERM")
            keep_output(life, "console")
        finally:
            gateway.kill()
        life.sent = list(upstream.received)
    return life
