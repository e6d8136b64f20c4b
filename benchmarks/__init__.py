"""Speed, measured as ratios and never in a timed test. docs/performance.md says how."""
