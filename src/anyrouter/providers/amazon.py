"""Amazon Bedrock, through its Converse API.

Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and …/latest/userguide/api-keys.html, and the service's
description in botocore 1.44 (read 2026-11-24).
"""

from datetime import date

from anyrouter.core.provider import AuthKind, Format, Provider, Source, Variable

DIALECT = "bedrock"

BEDROCK = Provider(
    id="aws",
    name="Amazon Bedrock",
    dialect=DIALECT,
    base_url="",
    base_url_template="https://bedrock-runtime.{region}.amazonaws.com",
    vendors=("amazon-bedrock",),
    paths={},
    formats={
        DIALECT: Format(
            path="/model/{model}/converse", stream_path="/model/{model}/converse-stream", count_tokens_path="/model/{model}/count-tokens"
        )
    },
    auth=(AuthKind.HEADER, AuthKind.SIGV4),
    credential_variable="AWS_BEARER_TOKEN_BEDROCK",
    credential_parts={
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
    },
    signing_service="bedrock",
    check_path="/async-invoke?maxResults=1",  # ListAsyncInvokes
    variables=(
        Variable(
            name="region",
            text="the region that is asked, such as us-east-1",
            environment=("AWS_REGION", "AWS_DEFAULT_REGION"),
            pattern=r"[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}",
        ),
    ),
    is_fetching_images=False,
    is_host=True,
    is_found_last=True,
    source=Source(page="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html", checked=date(2026, 11, 24)),
    note="A model is a model id, an inference profile such as `us.anthropic.claude-sonnet-4-5-20250929-v1:0`, or its ARN.",
)
