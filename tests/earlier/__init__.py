"""Earlier versions of this program, taken from the history, beside what today's agent hands out."""
