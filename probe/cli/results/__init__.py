"""What may be typed of stored results: the group `results` with its commands, `nodes` and `replay`.

As `commands`: nothing but click is imported before a command is called.
"""
