"""The report as one HTML file: no script, nothing from a network, charts as SVG, in Chinese or English.

In: a report. Out: text. Elements are made by htpy, which escapes whatever is put into them.
"""
