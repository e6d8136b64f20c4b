"""What may be typed, one file a command: options, help, and which action is loaded when the command is called.

In: words from the command line. Out: a call of a function in `actions` with the typed values as keywords. Nothing
but click is imported before that (tests/cli/test_start.py).
"""
