"""The search spaces that come with autocnn, as YAML files; see README.md."""
