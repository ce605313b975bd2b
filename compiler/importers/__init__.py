"""Readers of the formats people train in: one package a format."""
