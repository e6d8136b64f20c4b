"""The report: one value that text, JSON, CSV and HTML are made of, and the pure functions that make its parts.

In: a contract as agreed, grains and looks of one subject and period. Out: `values.Report` with a word for each subject,
and everything that it rests on.
"""
