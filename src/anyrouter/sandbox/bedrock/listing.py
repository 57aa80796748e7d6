"""ListAsyncInvokes: there are none. Whoever wants to know whether a credential is taken can ask for them, which costs nothing."""

from anyrouter.sandbox.bedrock.envelope import whole
from anyrouter.sandbox.reply import Reply, Stamp


def answer_async_invokes(stamp: Stamp) -> Reply:
    """The reply to GET /async-invoke."""
    return whole({"asyncInvokeSummaries": []}, stamp)
