"""Converse and ConverseStream, the side of the upstream, to and from the form. There are no clients of this dialect.

Source: the API reference at docs.aws.amazon.com/bedrock/latest/APIReference and the service's description in botocore 1.44, which says
of every member its type and bounds (read 2026-11-24).
"""
