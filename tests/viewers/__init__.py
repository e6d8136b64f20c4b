"""The page in front of many people, beside an agent that measures: whether it is disturbed, and what a page costs."""
