"""The pages of models over a real gateway: who finds which, and what is said of each."""

import html
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from anyrouter.core.tenancy import Role
from support.dashboard import sign_in
from support.gateway import GatewayProcess
from support.upstream import ScriptedUpstream, completion

PATH = "/dashboard/models"


def said(reply: httpx.Response) -> str:
    """What a page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", reply.text)).split())


def listed(reply: httpx.Response) -> list[str]:
    assert reply.status_code == 200, said(reply)
    return re.findall(r'<span class="under mono">([^<]*)<', reply.text)


def test_models_are_paged_found_filtered_and_sorted_by_the_address(owner: httpx.Client) -> None:
    first, second = listed(owner.get(PATH)), listed(owner.get(f"{PATH}?page=2"))
    assert len(first) == len(second) == 50
    assert not set(first) & set(second)
    assert "openai/gpt-4o" in listed(owner.get(f"{PATH}?q=gpt-4o"))
    assert all(name.startswith("anthropic/") for name in listed(owner.get(f"{PATH}?q=claude&provider=anthropic")))
    dear = said(owner.get(f"{PATH}?sort=-input&provider=openai"))
    assert dear.index("$150.00") < dear.index("$30.00")
    assert "No model is like that" in said(owner.get(f"{PATH}?min_context=900m"))
    assert owner.get(f"{PATH}?environment=nowhere").status_code == 404


def test_only_what_an_environment_reaches_is_its_own_and_the_rest_of_the_catalogue_says_so(owner: httpx.Client) -> None:
    assert "No model is like that" in said(owner.get(f"{PATH}?environment=live"))
    assert listed(owner.get(f"{PATH}?environment=test&q=sandbox/echo")) == ["sandbox/echo"]
    assert "openai/gpt-4o" in listed(owner.get(f"{PATH}?environment=*&q=gpt-4o"))


def test_a_mistake_in_the_filter_is_told_at_its_field(owner: httpx.Client) -> None:
    reply = owner.get(f"{PATH}?q=gpt-4o&max_price=%22cheap%22&min_context=many&takes=text")
    assert reply.status_code == 400
    assert re.search(r'id="max_price-error">[^<]*amount in USD', reply.text)
    assert re.search(r'id="min_context-error">[^<]*such as 32000', reply.text)
    assert '<option value="text" selected>' in reply.text
    assert 'value="&#34;cheap&#34;"' in reply.text
    assert "openai/gpt-4o" in reply.text


def test_a_model_says_what_is_known_who_serves_it_and_how_to_call_it(gateway: GatewayProcess, owner: httpx.Client) -> None:
    reply = owner.get(f"{PATH}/openai/gpt-4o")
    page = said(reply)
    for text in ("128,000 tokens", "$2.50", "$10.00", "$1.25", "Sandbox", "simulated", "Came out unknown"):
        assert text in page
    assert f"{gateway.base_url}/api/v1/chat/completions" in page
    assert "$ANYROUTER_API_KEY" in page
    assert "/dashboard/playground?model=openai/gpt-4o&amp;environment=test" in reply.text
    assert "client.embeddings.create" in said(owner.get(f"{PATH}/openai/text-embedding-3-small"))
    assert owner.get(f"{PATH}/nobody/knows-this").status_code == 404
    assert "<script>" not in owner.get(f"{PATH}/%3Cscript%3E").text


def test_what_requests_measured_of_an_upstream_is_shown(tmp_path: Path) -> None:
    with ScriptedUpstream(completion) as provider:
        gateway = GatewayProcess(tmp_path, OPENAI_API_KEY="sk-x", OPENAI_BASE_URL=f"{provider.url}/v1")
        try:
            headers = sign_in(tmp_path).headers
            address = f"{gateway.base_url}{PATH}/openai/gpt-4o"
            assert "not asked yet" in said(httpx.get(address, headers=headers))
            key = gateway.create_key()
            body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
            asked = httpx.post(f"{gateway.base_url}/api/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"})
            assert asked.status_code == 200, asked.text
            until_s = time.monotonic() + 10
            while "Your requests, last 7 days" not in (page := said(httpx.get(address, headers=headers))) and time.monotonic() < until_s:
                time.sleep(0.1)  # sums are written a moment after the answer
            assert re.search(r"Requests 1 Cost \$0.00035 First token .* Whole answer \d+ ms", page), page
            assert re.search(r"OpenAI openai live well . \d+ ms \d+ ms . 100.00 % 100.00 %", page), page
        finally:
            gateway.stop()


def test_who_may_read_models_sees_them_and_nobody_else(browse: Callable[..., httpx.Client]) -> None:
    for role in (Role.DEVELOPER, Role.VIEWER):
        client = browse(role)
        assert listed(client.get(f"{PATH}?q=gpt-4o"))
        assert ("playground" in client.get(f"{PATH}/openai/gpt-4o").text.partition("<main")[2]) is (role is Role.DEVELOPER)
    assert browse(Role.BILLING).get(PATH).status_code == 403


def test_another_organisation_sees_its_own_environments(gateway: GatewayProcess, stranger: httpx.Client) -> None:
    gateway.command("envs", "create", "oursalone", "--kind", "sandbox")
    assert stranger.get(f"{PATH}?environment=oursalone").status_code == 404
    assert "oursalone" not in stranger.get(f"{PATH}/openai/gpt-4o").text


def test_what_real_providers_serve_comes_first_unless_a_link_sorts_otherwise_and_a_talk_begins_where_somebody_answers(
    owner: httpx.Client, tmp_path: Path
) -> None:
    assert re.search(r'name="model" value="sandbox/echo"', owner.get("/dashboard/playground").text)  # live reaches nothing here
    gateway = GatewayProcess(tmp_path, OPENAI_API_KEY="sk-x", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    try:
        with httpx.Client(base_url=gateway.base_url, headers=sign_in(tmp_path).headers) as client:
            first = client.get(PATH)
            assert len(listed(first)) == 50
            assert "What real providers serve comes first" in said(first)
            assert "in test" not in re.findall(r'<span class="under">(in [a-z, ]+)</span>', first.text)
            assert "in test" in re.findall(r'<span class="under">(in [a-z, ]+)</span>', client.get(f"{PATH}?sort=name").text)
            assert re.search(r'name="model" value="openai/gpt-4o-mini"', client.get("/dashboard/playground").text)
    finally:
        gateway.stop()
