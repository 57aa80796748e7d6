"""The only place that builds things and hands them to each other: settings in, a running gateway out.

Empty: a command wants the services without what serves them.
"""
