"""POST /messages/count_tokens for models whose upstreams count none: the gateway's own estimate, marked as one.

It is the estimate that limits and routing go by (`wire.request.estimate_input`). No upstream is asked, nothing is charged, and there is
no generation that could be looked up.
"""

from anyrouter.policy.limit import LimitState
from anyrouter.relay.call import Principal, RequestHead
from anyrouter.relay.ports import Downstream
from anyrouter.relay.reply_head import JSON_HEAD, common_lines, limit_lines

COUNT_TOKENS, COUNTED_FOR = "messages/count_tokens", "messages"
_ESTIMATED = b"X-AnyRouter-Estimated: true\r\n"


def reply_with_estimate(head: RequestHead, principal: Principal, input_tokens: int, limit: LimitState, downstream: Downstream) -> None:
    """Answer in Anthropic's form."""
    lines = JSON_HEAD + _ESTIMATED + common_lines(head, principal) + limit_lines(limit, "anthropic", head.now_ms)
    downstream.reply(200, lines, b'{"input_tokens":%d}' % input_tokens)
