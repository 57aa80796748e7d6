"""Google's SDK asks for a preset as its model, and by a member of the body."""

import httpx
from google import genai
from google.genai import types
from tests.integration.sdk.test_google_models import make_client

from support.served import OPENAI_MODEL, Served, wait_for


def test_the_sdk_asks_for_a_preset(served: Served) -> None:
    served.gateway.command("presets", "create", "tone", "--model", OPENAI_MODEL, "--set", "temperature=0.25", "--system", "Be terse.")
    try:
        wait_for(lambda: _is_known(served, "@preset/tone"))
        with make_client(served, served.live_key) as client:
            assert client.models.generate_content(model="@preset/tone", contents="Hello").text == "Hello from upstream"
            own = types.GenerateContentConfig(temperature=1, http_options=types.HttpOptions(extra_body={"preset": "tone"}))
            assert "".join(_read(client, own)).strip() == "Hello from upstream"
    finally:
        served.gateway.command("presets", "delete", "tone")
    sent = [received.json() for received in served.upstream.received]
    assert [(body["model"], body["messages"][0]["content"], body["temperature"]) for body in sent] == [
        ("gpt-4o", "Be terse.", 0.25),
        ("gpt-4o", "Be terse.", 1.0),
    ]


def _is_known(served: Served, model: str) -> bool:
    """What another process makes takes effect within a second."""
    body, headers = {"model": model, "input": "Hello"}, {"authorization": f"Bearer {served.live_key}"}
    return httpx.post(f"{served.base_url}/api/v1/route", json=body, headers=headers, trust_env=False, timeout=20).status_code == 200


def _read(client: genai.Client, config: types.GenerateContentConfig) -> list[str]:
    stream = client.models.generate_content_stream(model=OPENAI_MODEL, contents="Hello", config=config)
    return [chunk.text or "" for chunk in stream]
