"""A signature of a request as it arrived, computed anew by the cloud's own client library."""

from urllib.parse import parse_qsl, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.upstream import Received


def read_authorization(received: Received) -> dict[str, str]:
    """The parameters of its header."""
    algorithm, _, rest = received.headers["authorization"].partition(" ")
    assert algorithm == "AWS4-HMAC-SHA256"
    return dict(part.strip().partition("=")[::2] for part in rest.split(","))


def compute_signature(received: Received, secret_access_key: str) -> str:
    """What the signature has to be, by the headers that it says to have signed and the body that came."""
    said = read_authorization(received)
    access_key_id, _, region, service, _ = said["Credential"].split("/")
    path = urlsplit(f"http://{received.headers['host']}{received.path}")
    request = AWSRequest(
        method=received.method,
        url=f"{path.scheme}://{path.netloc}{path.path}",
        params=dict(parse_qsl(path.query, keep_blank_values=True)),
        headers={name: received.headers[name] for name in said["SignedHeaders"].split(";")},
        data=received.body,
    )
    request.context["timestamp"] = received.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(access_key_id, secret_access_key), service, region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return signer.signature(text, request)


def is_signed(received: Received, secret_access_key: str) -> bool:
    """Whether the request bears the signature of that key, of its host, of every header of the cloud's that it has, and of its time."""
    said = read_authorization(received)
    signed = said["SignedHeaders"].split(";")
    needed = {"host", *(name for name in received.headers if name.startswith("x-amz-"))}
    day = said["Credential"].split("/")[1]
    is_of_its_day = received.headers["x-amz-date"].startswith(day)
    return needed <= set(signed) and is_of_its_day and said["Signature"] == compute_signature(received, secret_access_key)
