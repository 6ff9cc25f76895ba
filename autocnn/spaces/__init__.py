"""Search spaces: every parameter that may be searched, spaces as data, their YAML files."""
