"""Google's generateContent and streamGenerateContent, to and from the form.

Source: ai.google.dev/api/generate-content and the SDK google-genai 3.4, whose types and converters say what is sent (read 2026-11-24).
Members have two spellings in requests, camelCase and snake_case, as in every JSON of a protocol buffer; what is written is camelCase.
"""
