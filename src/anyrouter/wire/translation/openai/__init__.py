"""OpenAI chat completions, with what OpenRouter adds to them, to and from the form.

Source: the OpenAI API reference and OpenRouter's, as published in 2026.
"""
