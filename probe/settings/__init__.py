"""Configuration files and secrets on this host; their meaning is `probe.core.config`.

In: the path of agent.yaml. Out: a `Config` that is whole (`config_files.load_config`, `reload_config`), the agent's
name and directory alone (`agent_file.whereabouts`), what this host lacks for it (`preflight`), a change of the files
once it is complete (`file_watch.FileWatch`), a secret's value at the moment of use (`secrets.reveal`) and texts
without it (`redactor.Redactor`). `permissions` says which files others could read or replace. Errors: `ConfigError`
with all problems, `secrets.SecretError`.
"""
