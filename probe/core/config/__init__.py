"""The models of agent.yaml and of customers' files, and the plan made of them.

In: text of the files (`load`). Intermediate: `agent`, `customer` and `results` hold the pydantic models, `types` and
`validation` their fields and rules, `effective` the values that hold after defaults. Out: the plan of tasks (`plan`),
a snapshot without secrets (`snapshot`), the JSON Schema (`json_schema`). Errors: `core.syntax.problem.ConfigError`.
"""
