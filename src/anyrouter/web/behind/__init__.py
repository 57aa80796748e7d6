"""Pages behind the front: a process of their own, which the gateway starts, hands requests to and answers.

`program` starts a program with one end of a pair of sockets, and over a `link` two processes open streams to each other. A `stream` is
frames: a request and its reply, or a question and its answer. `forward` is the gateway's end of a request, an ASGI application, and
`requests` the pages' end of it, which calls one.
"""
