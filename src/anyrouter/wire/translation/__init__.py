"""Any client's dialect to any upstream's, through `wire.form`. A pair of the same dialect never comes here: it is passed through.

codec        what a dialect offers: the functions of `Codec`
registry     the codecs by name
translation  one request on its way to an upstream of another dialect, and its reply on the way back
stream       a stream on the way back
known        typed decoding that tells of unknown members, and refusals that name what is wrong

openai, responses, anthropic, gemini, bedrock   one package each; what they share with each other is the form alone
"""
