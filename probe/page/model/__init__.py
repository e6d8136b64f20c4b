"""What the page shows, as values: added up as rows or grains come, never computed from rows when somebody looks.

In: rows of the table `grains`, looks of slots, what the agent says of itself. Out: boards, incidents, standing.
"""
