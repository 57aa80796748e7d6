"""The playground over a real gateway and a scripted provider: who may use it, what it costs, when it ends."""

import asyncio
import html
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from anyrouter.core.playground import playground_key_id
from anyrouter.core.tenancy import Role
from support.dashboard import SignedIn, sign_in
from support.gateway import GatewayProcess
from support.served import wait_for
from support.upstream import Answer, Received, ScriptedUpstream, chat_events, json_answer, stream_answer

from .conftest import PROBE

PATH = "/dashboard/playground"
MODEL = "openai/gpt-4o"
SLOW = [b": waiting\n\n", *chat_events("one two three four five six seven eight nine ten")]
LONGEST_S = 30.0


async def wait_for_the_end(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    if not await reader.read():
        raise ConnectionResetError  # which the provider counts as a client that has gone


async def refuse_late(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(1.5)
    body = json.dumps({"error": {"message": "no such luck", "type": "invalid_request_error"}}).encode()
    writer.write(b"HTTP/1.1 400 X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    await writer.drain()


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedUpstream]:
    """Says back what the last message was; slowly when that is `slowly`."""

    def answer(request: Received) -> Answer:
        body = request.json()
        said = body["messages"][-1]["content"]
        if said == "never":
            return Answer(script=wait_for_the_end)
        if said == "late refusal":
            return Answer(script=refuse_late)
        if body.get("stream"):
            return stream_answer(*SLOW, delay_s=1.0) if said == "slowly" else stream_answer(*chat_events(said))
        message = {"role": "assistant", "content": f"You said {said}"}
        return json_answer(
            {
                "id": "chatcmpl-x",
                "object": "chat.completion",
                "created": 1700000000,
                "model": body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
            }
        )

    with ScriptedUpstream(answer) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, provider: ScriptedUpstream) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("playground"), OPENAI_API_KEY="sk-x", OPENAI_BASE_URL=f"{provider.url}/v1")
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output
    assert "internal_error" not in process.output, process.output


@pytest.fixture(scope="module")
def person(gateway: GatewayProcess) -> SignedIn:
    return sign_in(gateway.data_dir, Role.DEVELOPER)


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess, person: SignedIn) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.base_url, headers=person.headers, timeout=LONGEST_S) as made:
        yield made


def fields(**changes: str) -> dict[str, str]:
    return {"environment": "live", "model": MODEL, "message": "Hello", **changes}


def said(reply: httpx.Response) -> str:
    """What a page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", reply.text)).split())


def read_events(text: str) -> list[tuple[str, Any]]:
    events = []
    for block in text.split("\n\n"):
        lines = dict(line.partition(": ")[::2] for line in block.split("\n") if ": " in line)
        if lines.get("data") not in {None, "[DONE]"}:
            events.append((lines.get("event", "message"), json.loads(lines["data"])))
    return events


def find_entry(gateway: GatewayProcess, generation_id: str) -> dict[str, Any]:
    """The ledger's row, which is in the database a moment after the answer."""
    until_s = time.monotonic() + LONGEST_S
    with sqlite3.connect(f"file:{gateway.data_dir / 'anyrouter.db'}?mode=ro", uri=True, timeout=10) as database:
        database.row_factory = sqlite3.Row
        while time.monotonic() < until_s:
            row = database.execute("SELECT * FROM ledger WHERE generation_id = ?", (generation_id,)).fetchone()
            if row is not None:
                return dict(row)
            time.sleep(0.05)
    raise AssertionError(f"{generation_id} is not in the ledger")


def test_a_streamed_answer_ends_with_what_it_took_and_is_in_the_ledger_as_the_members(
    gateway: GatewayProcess, client: httpx.Client, person: SignedIn
) -> None:
    reply = client.post(f"{PATH}/stream", data=fields(message="Good morning to you"))
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-store"
    events = read_events(reply.text)
    chunks = [event for name, event in events if name == "message"]
    text = "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])
    assert text.strip() == "Good morning to you"
    name, told = events[-1]
    figures = dict(told["figures"])
    assert name == "figures"
    assert figures["Cost"] == "$0.000290"
    assert figures["Tokens"] == "100 in, 4 out"
    assert figures["Answered by"] == "OpenAI (openai)"
    assert told["generation"] == reply.headers["x-generation-id"]
    row = find_entry(gateway, told["generation"])
    assert row["api_key_id"] == row["rotation_group"] == playground_key_id(person.member.id)
    assert (row["environment"], row["cost_nanousd"], row["app_title"]) == ("live", 290_000, "AnyRouter playground")
    assert f"Playground: {person.member.name or person.member.email}" in said(client.get("/dashboard/usage?by=key&measure=cost"))


def test_without_scripts_the_answers_of_two_models_are_on_the_page_and_the_talk_goes_on(
    client: httpx.Client, provider: ScriptedUpstream
) -> None:
    first = client.post(
        PATH, data=fields(message="One", beside="openai/gpt-4o-mini", system="Be brief.", temperature="0.5", max_tokens="9")
    )
    page = said(first)
    assert page.count("You said One") == 2
    assert "$0.000350" in page
    assert 'model="openai/gpt-4o-mini"' in page
    sent = provider.received[-1].json()
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (sent["temperature"], sent["max_tokens"]) == (0.5, 9)
    talk = html.unescape(re.findall(r'name="talk-0" value="([^"]*)"', first.text)[0])
    second = client.post(PATH, data={**fields(message="Two"), "talk-0": talk})
    assert [message["content"] for message in provider.received[-1].json()["messages"]] == ["One", "You said One", "Two"]
    assert said(second).partition("The code that does the same")[0].count("You said") == 2


def test_what_anybody_says_is_shown_as_text(client: httpx.Client) -> None:
    reply = client.post(PATH, data=fields(message=PROBE, system=PROBE))
    assert PROBE not in reply.text
    assert f"You said {PROBE}" in said(reply)
    assert PROBE not in client.get(PATH, params={"model": PROBE, "system": PROBE}).text


def test_the_code_does_the_same_and_sends_nothing(gateway: GatewayProcess, client: httpx.Client, provider: ScriptedUpstream) -> None:
    before = len(provider.received)
    page = said(client.post(f"{PATH}/code", data=fields(message='It\'s "quoted"', temperature="1")))
    assert len(provider.received) == before
    assert f'OpenAI(base_url="{gateway.base_url}/api/v1", api_key=os.environ["ANYROUTER_API_KEY"])' in page
    assert "temperature=1.0" in page
    assert "It'\"'\"'s" in page
    assert "sk-x" not in page


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"message": " "}, "message"), ({"model": ""}, "model"), ({"temperature": "3"}, "temperature"), ({"max_tokens": "0"}, "max_tokens")],
)
def test_a_mistake_is_told_at_its_field_and_nothing_is_sent(
    client: httpx.Client, provider: ScriptedUpstream, changes: dict[str, str], field: str
) -> None:
    before = len(provider.received)
    reply = client.post(PATH, data=fields(system="Kept <text>", **changes))
    assert reply.status_code == 400
    assert re.search(rf'id="{field}-error">[^<]+<', reply.text)
    assert "Kept &lt;text&gt;" in reply.text
    assert client.post(f"{PATH}/stream", data=fields(**changes)).status_code == 400
    assert len(provider.received) == before


@pytest.mark.parametrize(
    "talk", ["x", "{}", '[{"role": "system", "content": "x"}]', '[{"role": "user", "content": "\\ud800"}]', "[" * 50_000]
)
def test_a_conversation_that_is_none_is_refused(client: httpx.Client, talk: str) -> None:
    for path in (PATH, f"{PATH}/stream", f"{PATH}/code"):
        reply = client.post(path, data={**fields(), "talk-0": talk})
        assert reply.status_code == 400, path
        assert "Begin a new one" in said(reply)


def test_a_model_that_is_not_there_is_said_in_the_words_of_the_api(client: httpx.Client) -> None:
    streamed = client.post(f"{PATH}/stream", data=fields(model="nobody/gpt-4o"))
    assert streamed.status_code == 404
    assert "nobody/gpt-4o" in streamed.json()["error"]["message"]
    whole = client.post(PATH, data=fields(model="nobody/gpt-4o"))
    assert whole.status_code == 404
    assert "No answer" in said(whole)
    assert "Hello</textarea>" in whole.text


def test_a_model_that_the_environment_never_serves_is_replaced_and_refused_in_words_for_people(
    client: httpx.Client, owner: httpx.Client, provider: ScriptedUpstream
) -> None:
    shown = client.get(PATH, params={"environment": "live", "model": "sandbox/echo", "beside": "sandbox/long"}).text
    assert 'name="model" value="openai/gpt-4o-mini"' in shown
    assert 'name="beside" value=""' in shown
    before = len(provider.received)
    streamed = client.post(f"{PATH}/stream", data=fields(model="sandbox/echo"))
    assert streamed.status_code == 404
    assert "live has no provider for it" in said(streamed)
    whole, owners = (who.post(PATH, data=fields(model="sandbox/echo")) for who in (client, owner))
    assert whole.status_code == owners.status_code == 404
    assert re.search(r'id="model-error">live has no provider for it', whole.text, re.IGNORECASE)
    assert "Provider credentials</a>" in owners.text
    assert len(provider.received) == before


def test_a_budget_that_is_used_up_is_said_and_nothing_is_sent(
    gateway: GatewayProcess, client: httpx.Client, provider: ScriptedUpstream
) -> None:
    gateway.command("envs", "create", "poor")
    gateway.command("budgets", "create", "0.000001", "--env", "poor")
    until_s = time.monotonic() + LONGEST_S
    while (reply := client.post(f"{PATH}/stream", data=fields(environment="poor"))).status_code != 402 and time.monotonic() < until_s:
        time.sleep(0.1)  # a new environment is known within a second
    assert reply.status_code == 402, reply.text
    assert "budget" in reply.json()["error"]["message"]
    before = len(provider.received)
    assert "budget" in said(client.post(PATH, data=fields(environment="poor")))
    assert len(provider.received) == before


def test_only_who_may_send_requests_has_a_playground(browse: Callable[..., httpx.Client], provider: ScriptedUpstream) -> None:
    before = len(provider.received)
    for role in (Role.VIEWER, Role.BILLING):
        other = browse(role)
        assert other.get(PATH).status_code == 403
        assert {other.post(f"{PATH}{end}", data=fields()).status_code for end in ("", "/stream", "/code")} == {403}
        assert PATH not in other.get("/dashboard").text
    assert len(provider.received) == before


def test_another_organisations_environment_does_not_exist(
    gateway: GatewayProcess, client: httpx.Client, stranger: httpx.Client, provider: ScriptedUpstream
) -> None:
    gateway.command("envs", "create", "mineonly")
    before = len(provider.received)
    for asking, slug in ((stranger, "mineonly"), (client, "nowhere")):
        assert asking.get(PATH, params={"environment": slug}).status_code == 404
        assert asking.post(f"{PATH}/stream", data=fields(environment=slug)).status_code == 404
        assert asking.post(PATH, data=fields(environment=slug)).status_code == 404
    assert len(provider.received) == before


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}], ids=str)
def test_another_sites_page_spends_nothing(
    gateway: GatewayProcess, person: SignedIn, provider: ScriptedUpstream, headers: dict[str, str]
) -> None:
    before = len(provider.received)
    for end in ("", "/stream"):
        sent = {"cookie": person.headers["cookie"], **headers}
        assert httpx.post(f"{gateway.base_url}{PATH}{end}", data=fields(), headers=sent).status_code == 403
    assert len(provider.received) == before


def test_a_browser_that_leaves_ends_the_answer_at_the_provider(
    gateway: GatewayProcess, client: httpx.Client, provider: ScriptedUpstream
) -> None:
    provider.gone.clear()
    with client.stream("POST", f"{PATH}/stream", data=fields(message="slowly")) as reply:
        generation_id = reply.headers["x-generation-id"]
        assert "one" in next(text for text in reply.iter_text() if "one" in text)
    assert provider.gone.wait(LONGEST_S)
    row = find_entry(gateway, generation_id)
    assert row["state"] == "cancelled"
    assert row["cost_nanousd"] > 0


def test_a_browser_that_leaves_before_the_first_word_ends_the_request_at_the_provider(
    client: httpx.Client, provider: ScriptedUpstream
) -> None:
    provider.gone.clear()
    with client.stream("POST", f"{PATH}/stream", data=fields(message="never")) as reply:
        assert reply.status_code == 200
        assert next(reply.iter_text()) == ": waiting\n\n"
    assert provider.gone.wait(10)


def test_a_refusal_that_comes_late_is_told_in_the_stream(client: httpx.Client) -> None:
    reply = client.post(f"{PATH}/stream", data=fields(message="late refusal"))
    assert reply.status_code == 200
    (name, told), (last, figures) = read_events(reply.text)
    assert (name, last) == ("error", "figures")
    assert "no such luck" in told["message"]
    assert dict(figures["figures"])["Cost"] == "$0.00"


def sign_out(gateway: GatewayProcess, owner: httpx.Client, who: SignedIn, browser: httpx.Client) -> None:
    assert browser.post("/logout").status_code == 303


def end_membership(gateway: GatewayProcess, owner: httpx.Client, who: SignedIn, browser: httpx.Client) -> None:
    key = gateway.create_key("--scope", "admin:*")
    gone = httpx.delete(f"{gateway.base_url}/api/v1/org/members/{who.member.id}", headers={"authorization": f"Bearer {key}"})
    assert gone.status_code < 300, gone.text


def make_viewer(gateway: GatewayProcess, owner: httpx.Client, who: SignedIn, browser: httpx.Client) -> None:
    key = gateway.create_key("--scope", "admin:*")
    changed = httpx.patch(
        f"{gateway.base_url}/api/v1/org/members/{who.member.id}", json={"role": "viewer"}, headers={"authorization": f"Bearer {key}"}
    )
    assert changed.status_code < 300, changed.text


@pytest.mark.parametrize("end", [sign_out, end_membership, make_viewer])
def test_an_answer_ends_with_the_session_the_membership_or_the_right(
    gateway: GatewayProcess, owner: httpx.Client, provider: ScriptedUpstream, end: Callable[..., None]
) -> None:
    who = sign_in(gateway.data_dir, Role.DEVELOPER)
    provider.gone.clear()
    with httpx.Client(base_url=gateway.base_url, headers=who.headers, timeout=LONGEST_S) as browser:
        text = ""
        with browser.stream("POST", f"{PATH}/stream", data=fields(message="slowly")) as reply:
            for part in reply.iter_text():
                is_first, text = "one" not in text, text + part
                if is_first and "one" in text:
                    end(gateway, owner, who, browser)
        assert '"ten ' not in text
        errors = [event for name, event in read_events(text) if name == "error" or "error" in event]
        assert len(errors) == 1, text
        assert provider.gone.wait(LONGEST_S)
        assert browser.post(f"{PATH}/stream", data=fields()).status_code in {303, 403}


def test_a_change_of_somebody_elses_key_does_not_end_an_answer(gateway: GatewayProcess, client: httpx.Client) -> None:
    with client.stream("POST", f"{PATH}/stream", data=fields(message="slowly")) as reply:
        text = ""
        for part in reply.iter_text():
            if "one" in part:
                gateway.create_key()
            text += part
            if "six" in text:
                break
    assert "error" not in text


@pytest.mark.parametrize("place", ["", "/stream"])
def test_in_an_environment_that_is_switched_off_nothing_is_asked_and_the_session_is_as_good_as_before(
    place: str, gateway: GatewayProcess, client: httpx.Client
) -> None:
    gateway.command("envs", "change", "test", "--inactive")
    try:
        assert wait_for(lambda: client.post(PATH + place, data=fields(environment="test")).status_code != 200)
        refused = client.post(PATH + place, data=fields(environment="test"))
        assert refused.status_code == 403
        assert "is switched off" in said(refused)
        assert "ask an owner or an admin to switch it on" in said(refused)
        assert client.get(PATH).status_code == 200
    finally:
        gateway.command("envs", "change", "test", "--active")
