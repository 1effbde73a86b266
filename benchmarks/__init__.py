"""CPU per request of the gateway's full job, all its processes counted, against nginx that only proxies, in the same run.

``python -m benchmarks``. Only ratios inside one run mean anything: the same cell moves by half between machines and hours. What never may
come in: a shortcut for the gateway; it is started as the demo starts it.
"""
