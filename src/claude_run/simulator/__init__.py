"""A local server that speaks the Messages API: deterministic replies, real sockets, faults on request.

It imports nothing of `api`, so that the client and the simulator cannot share a mistake.
"""
