"""Strict YAML and typed values, with the place of every error.

In: the text of a configuration file. `yaml` reads it into plain values with line and column, refusing what YAML
leaves open; `values` holds the types that fields are declared with. Out: plain values, or `problem.ConfigError` with
all problems that were found, in words that say what to do (`messages`).
"""
