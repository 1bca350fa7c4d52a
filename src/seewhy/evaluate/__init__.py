"""Is the answer true? `seewhy.check` asks the network itself; metrics, and the statistics of their values.

base, metrics       what every metric is, and all of them by name
where               maps against masks
grids               GridPG, DiFull, DiPart
how_much            insertion and deletion; contributions against true effects
what                concepts against presence; sparse heads
statistics          intervals, paired tests, terciles
anchors             whether a metric may be trusted on the data at hand
check, edits        receipts
"""
