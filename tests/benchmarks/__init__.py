"""flatnb beside its peers: ratios, in one run, on the same files.

``python -m tests.benchmarks`` (``pip install -e '.[benchmark]'``) prints the tables of
docs/explanation/benchmarks.md. Each measurement is a process of its own; servers and throttle are
others. The files have the real size: 1.8 million rows a day of stock minutes.
"""
