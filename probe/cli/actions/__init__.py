"""What commands do, each loaded when its command is called.

In: the typed values as keywords. Out: what is printed; an exit code by `click.exceptions.Exit`; what cannot be done
as `click.ClickException`, or as the errors that `main` puts into words.
"""
