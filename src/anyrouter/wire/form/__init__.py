"""The one internal form that every dialect is translated through: requests, replies and the events of streams.

    text      JSON strings that are carried and not decoded
    parts     what messages and replies are made of
    tools     what the model may call
    request   what is asked
    reply     what is answered, whole
    events    what is answered, as it comes
    reasoning how much thinking, and signatures that find their way back
    warnings  what a target could not be told

A value of the form never changes once a decoder has given it away: one request may be encoded for several targets.
Nothing here knows a dialect's member names.
"""
