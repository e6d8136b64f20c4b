"""Small functions on text and numbers that know nothing of the domain.

In: strings, times, numbers. Out: strings, booleans, spans and quantiles. `dns_names` and `certificate_names` compare
names as the RFCs do; `redaction` hides secrets in URLs; `tokens` makes and checks bearer tokens; `spans` joins
intervals; `window` counts the last minutes in bounded memory; `patterns` matches what customers configure.
"""
