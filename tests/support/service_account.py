"""A service account's key, made anew for a run of the tests."""

import functools
import json

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PROJECT = "marked-project"
EMAIL = f"gateway@{PROJECT}.iam.example.com"
KEY_ID = "MARKER-key-id"


@functools.cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_file(token_url: str, **changes: object) -> str:
    """The text of the key's file; a change of None leaves a member out."""
    pem = private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    members = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": KEY_ID,
        "private_key": pem,
        "client_email": EMAIL,
        "token_uri": token_url,
        **changes,
    }
    return json.dumps({name: value for name, value in members.items() if value is not None}, indent=2)


def key_lines() -> list[str]:
    """The lines of the private key: none of them may be seen anywhere."""
    return [line for line in json.loads(key_file("http://x"))["private_key"].splitlines() if "---" not in line]
