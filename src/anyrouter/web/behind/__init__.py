"""Pages behind the front: a process of their own, which the gateway forks, hands requests to and answers.

zygote    forks the processes, before the gateway has threads
link      a socket between two processes, over which they open streams to each other
stream    frames on one stream: a request and its reply, a question and its answer
forward   the gateway's end of a request: an ASGI application
requests  the pages' end of it: calls an ASGI application
"""
