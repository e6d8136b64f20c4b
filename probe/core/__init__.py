"""Pure decisions: values in, values out. Imports no I/O library, and of `probe` only itself."""
