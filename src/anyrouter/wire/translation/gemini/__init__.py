"""Gemini's generateContent, to and from the form."""
