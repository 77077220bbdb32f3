"""flatnb beside its peers: ratios, in one run, on the same files.

``python -m tests.benchmarks`` prints the tables of docs/explanation/benchmarks.md
(``pip install -e '.[benchmark]'``). Each measurement is a process of its own; servers and throttle
are others. The files have the real size: 1.8 million rows a day of stock minutes.
"""
