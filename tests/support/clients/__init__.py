"""The official SDKs as one kind of client each: what is asked and said is the same for all, how it is asked is the SDK's own way.

talk      a question and an answer, whoever is asked
chat, responses, messages, gemini   one SDK's interface each
"""
