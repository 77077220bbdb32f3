"""flatnb beside its peers: ratios, in one run, on the same files.

