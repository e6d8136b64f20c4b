"""The page as files, of whatever holds lines: written once, or again and again while they come."""
