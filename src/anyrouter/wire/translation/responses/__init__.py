"""The Responses API of OpenAI, to and from the form."""
