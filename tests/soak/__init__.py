"""Ageing: millions of jobs through real worker processes; nothing may grow with their number."""
