"""Is the answer true? Tests of an answer against the network itself; see `seewhy.check`."""
