"""Before anything is measured: the first configuration. In: what was typed or asked for. Out: two YAML files."""
