"""What a paper promises beside availability: settings that are right in time, times under a surge, faults added up.

Each gives lines of a report with a word of their own. None of them changes the word of the subject.
"""
