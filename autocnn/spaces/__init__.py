"""Search spaces: every parameter that can be searched, spaces as data, and their YAML files."""
