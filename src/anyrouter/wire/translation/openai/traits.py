"""Deviations of upstreams that speak chat completions, as `UpstreamModel.traits` names them. Without any it is the plain, oldest form."""

MAX_COMPLETION_TOKENS = "max_completion_tokens"  # the limit has this name, not max_tokens (OpenAI itself)
DEVELOPER_ROLE = "developer_role"  # messages may be a developer's; else they are the system's, which means the same
CACHE_CONTROL = "cache_control"  # parts and tools may carry cache_control
REASONING_OBJECT = "reasoning_object"  # thinking is asked for with OpenRouter's `reasoning`, not with reasoning_effort
REASONING_DETAILS = "reasoning_details"  # messages may carry OpenRouter's reasoning_details
REASONING_CONTENT = "reasoning_content"  # messages may carry what was thought as text
SAMPLING_EXTRAS = "sampling_extras"  # top_k, min_p, top_a and repetition_penalty are known
FILE_URL = "file_url"  # file_data may be an address
VIDEO = "video"  # content may hold video_url
WEB_SEARCH = "web_search_options"  # the model searches the web when asked
TOOL_IMAGES = "tool_images"  # a tool's answer may hold pictures
STRING_CONTENT = "string_content"  # a content that is text has to be a string, not a list of parts
