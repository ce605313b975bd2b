"""Kernels for thread blocks: what the default path would compute without sharing anything between threads."""
