"""What surrounds the replies of the Responses API: OpenAI's manners, but for the words about a missing model and a failing stream."""

from dataclasses import replace

from anyrouter.sandbox.openai.envelope import DIALECT as OPENAI
from anyrouter.sandbox.openai.envelope import describe_fault

DIALECT = replace(OPENAI, of_fault=describe_fault, failure_event=None)
