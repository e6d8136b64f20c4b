"""vantage."""
