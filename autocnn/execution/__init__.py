"""What runs tasks: local processes now, a cluster later, behind one interface."""
