"""Choosing the precision of every value.

`policy` says what a node's op and attributes ask for, `guards` what its numbers allow, from `ranges` that are known or
measured. `plan` decides for every node, `lower` carries a plan out with casts at its borders, and `refine` measures
what came of it and keeps the worst offenders in f32. `decisions` is what reports show.
"""
