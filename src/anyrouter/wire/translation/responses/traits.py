"""Deviations of upstreams that speak Responses, as `UpstreamModel.traits` names them. Without any it is OpenAI's own API."""

INPUT_AUDIO = "input_audio"  # a user's message may hold sound
REASONING_TEXT = "reasoning_text"  # thought that nobody proves may be sent back as text, as open models want it
SAMPLING_EXTRAS = "sampling_extras"  # top_k, min_p, top_a, repetition_penalty, both penalties, seed and stop are known
