"""Metrics and logs; knows no request's content."""
