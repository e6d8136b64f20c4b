"""Work of the agent's own that recurs beside measuring, each as a job. In: what others left. Out: events."""
