"""The Anthropic Messages API, to and from the form."""
